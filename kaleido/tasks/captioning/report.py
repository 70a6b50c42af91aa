"""What captioning wrote: figures, every caption beside its references, and a sheet with the photos."""

import json
from dataclasses import asdict
from functools import partial

from kaleido.atomic import write_atomically
from kaleido.errors import UserError
from kaleido.records.catalog_columns import catalog_of
from kaleido.records.reader import SplitRecords
from kaleido.rows import write_jsonl
from kaleido.tasks.captioning.application import Captioning
from kaleido.tasks.captioning.metrics import PLAIN, CaptionScores, caption_scores
from kaleido.tasks.captioning.sheet import SheetItem, caption_sheet


def write_captions(application: Captioning, split: str) -> str:
    """Writes `captions-SPLIT.jsonl`, `.json`, `.md` and, where the photos are at hand, `.html` into the run.

    Args:
        application: Whose run has a saved model.
        split: Of its records.

    Returns:
        The figures in Markdown.
    """
    records = application.open_records(split)
    rows = _described(records)
    for row, caption in zip(rows, application.run_caption(split), strict=True):
        row.update(caption=caption.text, log_probability=caption.log_probability, complete=caption.complete)
    scores = caption_scores([row["caption"] for row in rows], [row["references"] for row in rows])
    config = asdict(application.config.caption_config)
    content = {"split": split, "photos": len(rows), "caption_config": config, "metrics": _figures(scores)}
    table = caption_table(scores, config["decoder"], split, len(rows))
    path = application.directory / f"captions-{split}"
    write_jsonl(path.with_suffix(".jsonl"), rows)
    write_atomically(path.with_suffix(".json"), json.dumps(content, indent=1).encode() + b"\n")
    write_atomically(path.with_suffix(".md"), f"{table}\n".encode())
    try:
        catalog = catalog_of(records)
    except UserError as error:
        return f"{table}\n\nno sheet with the photos: {error}"
    uris = {photo.id: photo.uri for product in catalog.products for photo in product.photos}
    items = [
        SheetItem(row["photo_id"], partial(catalog.read, uris[row["photo_id"]]), row["caption"], row["references"])
        for row in rows
    ]
    write_atomically(path.with_suffix(".html"), caption_sheet(f"Captions of {split} photos", items).encode())
    return table


def caption_table(scores: CaptionScores, decoder: str, split: str, photos: int) -> str:
    """The figures in percent as in the paper's table 3, in Markdown."""
    columns = {
        "photos": f"{photos:,}",
        **{f"Bleu-{n}": f"{100 * value:.1f}" for n, value in enumerate(scores.bleu, 1)},
        "METEOR": "" if scores.meteor is None else f"{100 * scores.meteor:.1f}",
        "ROUGE-L": f"{100 * scores.rouge_l:.1f}",
        "CIDEr": f"{100 * scores.cider:.1f}",
        "SumCAP": "" if scores.sum_cap is None else f"{scores.sum_cap:.1f}",
        "tokenizer": scores.tokenizer,
    }
    missing = "\n\nMETEOR and the PTB tokenizer need a Java runtime (`java`), which did not run here."
    return (
        f"| {decoder}, {split} | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}\n"
        f"| | {' | '.join(columns.values())} |{missing if scores.tokenizer == PLAIN else ''}"
    )


def _figures(scores: CaptionScores) -> dict:
    """Shares as they are computed; CIDEr in 0..10."""
    figures = {f"Bleu-{n}": value for n, value in enumerate(scores.bleu, 1)}
    figures |= {"METEOR": scores.meteor, "ROUGE-L": scores.rouge_l, "CIDEr": scores.cider}
    return {**figures, "SumCAP": scores.sum_cap, "tokenizer": scores.tokenizer}


def _described(records: SplitRecords) -> list[dict]:
    """Photo, product and all texts of the product, of each record."""
    rows, texts = [], {}
    for number in range(len(records)):
        example = records.example(number)
        product = example.get("product_id", example.get("image_product_id")).decode()
        texts.setdefault(product, {})[example["text"].decode()] = None
        rows.append({"photo_id": example["photo_id"].decode(), "product_id": product})
    return [{**row, "references": list(texts[row["product_id"]])} for row in rows]
