"""What alignment found, and how good it is where the catalogue knows the places of parts."""

import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from kaleido.alignment.align import Alignment
from kaleido.alignment.aligner import texts_of
from kaleido.alignment.quality import AlignmentQuality, NamedPart, alignment_quality, named_parts
from kaleido.alignment.words import words_of
from kaleido.atomic import write_atomically
from kaleido.catalog.catalog import Catalog
from kaleido.records.reader import PhotoRecords, grid_of
from kaleido.text import Tokenizer

FILE = "alignment.json"


def write_alignment(found: Alignment, catalog: Catalog) -> str:
    """Writes `alignment.json` beside the records.

    Returns:
        The figures in Markdown.
    """
    rows = ["| split | photos | words aligned | pairs | patches of levels 3, 4, 5 |", "|---|---:|---:|---:|---:|"]
    content = {"config": asdict(found.aligner.config), "threshold": found.aligner.threshold, "splits": {}}
    for split, records in found.records.items():
        index = records.index
        photos = np.repeat(np.arange(len(index)), np.diff(index.pair_offsets))
        aligned = len(np.unique(np.stack([photos, index.pair_words], axis=1), axis=0)) if len(photos) else 0
        levels = np.histogram(index.pair_patches, bins=[5, 14, 30, 55])[0].tolist()
        figures = {"photos": len(index), "words_aligned": aligned, "pairs": len(photos), "levels": levels}
        content["splits"][split] = figures
        shown = ", ".join(f"{count:,}" for count in levels)
        rows.append(f"| {split} | {len(index):,} | {aligned:,} | {len(photos):,} | {shown} |")
        if quality := records_quality(records, found.aligner.tokenizer, catalog):
            figures["parts"] = asdict(quality)
    for split, figures in content["splits"].items():
        if quality := figures.get("parts"):
            rows += ["", _quality_line(split, AlignmentQuality(**quality))]
    path = next(iter(found.records.values())).directory / FILE
    write_atomically(path, json.dumps(content, indent=1).encode() + b"\n")
    return "\n".join(rows)


def records_quality(records: PhotoRecords, tokenizer: Tokenizer, catalog: Catalog) -> AlignmentQuality | None:
    """The figures over all photos whose parts the catalogue knows; None where it knows none, or of a fixed grid."""
    if grid_of(records.metadata) != "kaleido":
        return None
    parts = {photo.id: photo.parts for product in catalog.products for photo in product.photos if photo.parts}
    if not parts:
        return None
    rows = np.arange(len(records))
    found = []
    for row, text in zip(rows, texts_of(records, rows)):
        example = records.example(row)
        of_photo = parts.get(example["photo_id"].decode(), ())
        named = parts_in_box(words_of(tokenizer, *text), of_photo, example["box"], tokenizer)
        found.append((named, records.index.pairs(row)))
    return alignment_quality(found)


def parts_in_box(words: list[str], parts, box: np.ndarray, tokenizer: Tokenizer) -> list[NamedPart]:
    """The words that name parts, which are known in pixels of the photo, as is the product's box."""
    x1, y1, x2, y2 = map(float, box)

    def cut(word: str) -> list[str]:
        return [piece for piece in words_of(tokenizer, *tokenizer.encode(word)) if piece]

    described = []
    for part in parts:
        left, top, right, bottom = part.box
        place = ((left - x1) / (x2 - x1), (top - y1) / (y2 - y1), (right - x1) / (x2 - x1), (bottom - y1) / (y2 - y1))
        described.append((part.name, [cut(word) for word in part.words], place))
    return named_parts(words, described)


def _quality_line(split: str, quality: AlignmentQuality) -> str:
    shares: Mapping[str, float] = {
        "recall": quality.recall,
        "precision": quality.precision,
        "middle patches": quality.centre,
        "random patches": quality.random,
        "possible": quality.possible,
    }
    shown = ", ".join(f"{name} {value:.3f}" for name, value in shares.items())
    return f"{split}: {quality.words:,} words name parts with known places: {shown}"
