"""Report of captioning: metrics, every caption with its references, and a page with the photos."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from kaleido.app.result import Result
from kaleido.errors import UserError
from kaleido.records.catalog_columns import catalog_of
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.rows import jsonl_bytes
from kaleido.tasks.captioning.metrics import ENGLISH, PTB, CaptionScores, caption_scores
from kaleido.tasks.captioning.photo_captioner import Caption
from kaleido.tasks.captioning.sheet import SheetItem, caption_sheet


def caption_result(records: SplitRecords, captions: Sequence[Caption], caption_config: Mapping[str, Any]) -> Result:
    """Scores captions against the texts of their products.

    The files are `captions-SPLIT.jsonl`, `.json`, `.md` and, if the catalogue is available, `.html` with the photos.

    Args:
        records: Records of one split.
        captions: Captions, one per record, in the order of the records.
        caption_config: Settings that the captions were generated with.
    """
    split, rows = records.split, _described(records)
    for row, caption in zip(rows, captions, strict=True):
        row.update(caption=caption.text, log_probability=caption.log_probability, complete=caption.complete)
    said, wanted = ([row[key] for row in rows] for key in ("caption", "references"))
    scores = caption_scores(said, wanted, caption_config["language"])
    metrics = _metrics(scores)
    content = {"split": split, "photos": len(rows), "caption_config": dict(caption_config), "metrics": metrics}
    table = caption_table(scores, caption_config["decoder"], split, len(rows))
    name = f"captions-{split}"
    files = {
        f"{name}.jsonl": jsonl_bytes(rows),
        f"{name}.md": f"{table}\n".encode(),
        f"{name}.json": json.dumps(content, indent=1).encode() + b"\n",
    }
    try:
        catalog = catalog_of(records)
    except UserError as error:
        return Result(metrics, f"{table}\n\nno page with the photos: {error}", files)
    uris = {photo.id: photo.uri for product in catalog.products for photo in product.photos}
    items = [
        SheetItem(row["photo_id"], partial(catalog.read, uris[row["photo_id"]]), row["caption"], row["references"])
        for row in rows
    ]
    files[f"{name}.html"] = caption_sheet(f"Captions of {split} photos", items).encode()
    return Result(metrics, table, files)


def caption_table(scores: CaptionScores, decoder: str, split: str, photos: int) -> str:
    """Formats the metrics in percent, as in the paper's Table 3, as a Markdown table."""
    columns = {
        "photos": f"{photos:,}",
        **{f"Bleu-{n}": f"{100 * value:.1f}" for n, value in enumerate(scores.bleu, 1)},
        "METEOR": "" if scores.meteor is None else f"{100 * scores.meteor:.1f}",
        "ROUGE-L": f"{100 * scores.rouge_l:.1f}",
        "CIDEr": f"{100 * scores.cider:.1f}",
        "SumCAP": "" if scores.sum_cap is None else f"{scores.sum_cap:.1f}",
        "tokenizer": f"{scores.tokenizer}, {scores.language}",
    }
    missing = "\n\nMETEOR and the PTB tokenizer need a working Java runtime (`java`), which is missing here."
    if scores.language != ENGLISH:
        missing = f"\n\nMETEOR, and with it SumCAP, is for English and does not apply to {scores.language}."
    return (
        f"| {decoder}, {split} | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}\n"
        f"| | {' | '.join(columns.values())} |{missing if scores.tokenizer != PTB else ''}"
    )


def _metrics(scores: CaptionScores) -> dict[str, Any]:
    """Returns the metrics by name, in 0..1; CIDEr is in 0..10 and SumCAP in percent."""
    metrics = {f"Bleu-{n}": value for n, value in enumerate(scores.bleu, 1)}
    metrics |= {"METEOR": scores.meteor, "ROUGE-L": scores.rouge_l, "CIDEr": scores.cider}
    return {**metrics, "SumCAP": scores.sum_cap, "tokenizer": scores.tokenizer, "language": scores.language}


def _described(records: SplitRecords) -> list[dict]:
    """Returns the photo, the product and all texts of the product for each record."""
    if isinstance(records, PhotoRecords):
        # Ids are in the index. All photos of a product have its text, so that one record a product is read.
        products, rows = records.product_ids(), np.unique(records.index.product, return_index=True)[1]
    else:
        products, rows = records.index.columns["image_product_id"].tolist(), np.arange(len(records))
    texts: dict[str, dict[str, None]] = {}
    for row in rows.tolist():
        texts.setdefault(products[row], {})[records.example(row)["text"].decode(errors="replace")] = None
    return [
        {"photo_id": photo, "product_id": product, "references": list(texts[product])}
        for photo, product in zip(records.photo_ids(), products)
    ]
