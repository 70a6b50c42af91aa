"""Metrics of alignment: numbers of pairs, and their quality where the catalogue knows the places of parts."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from kaleido.alignment.aligner import Aligner, texts_of
from kaleido.alignment.quality import AlignmentQuality, NamedPart, alignment_quality, named_parts
from kaleido.alignment.words import words_of
from kaleido.catalog.catalog import Catalog
from kaleido.records.description import grid_of
from kaleido.records.reader import PhotoRecords
from kaleido.text import Tokenizer


def alignment_report(
    splits: Mapping[str, PhotoRecords], aligner: Aligner, catalog: Catalog | None
) -> tuple[dict[str, Any], str]:
    """Counts the pairs of records, and measures them where the catalogue knows the places of parts.

    Args:
        splits: Aligned records of each split.
        aligner: The aligner that made the pairs.
        catalog: Catalogue of the records, if it is there.

    Returns:
        The metrics, and the same in Markdown.
    """
    rows = ["| split | photos | words aligned | pairs | patches of levels 3, 4, 5 |", "|---|---:|---:|---:|---:|"]
    metrics: dict[str, Any] = {"config": asdict(aligner.config), "threshold": aligner.threshold, "splits": {}}
    for split, records in splits.items():
        index = records.index
        photos = np.repeat(np.arange(len(index)), np.diff(index.pair_offsets))
        aligned = len(np.unique(np.stack([photos, index.pair_words], axis=1), axis=0)) if len(photos) else 0
        levels = np.histogram(index.pair_patches, bins=[5, 14, 30, 55])[0].tolist()
        of_split = {"photos": len(index), "words_aligned": aligned, "pairs": len(photos), "levels": levels}
        metrics["splits"][split] = of_split
        shown = ", ".join(f"{count:,}" for count in levels)
        rows.append(f"| {split} | {len(index):,} | {aligned:,} | {len(photos):,} | {shown} |")
        if catalog and (quality := records_quality(records, aligner.tokenizer, catalog)):
            of_split["parts"] = asdict(quality)
    for split, of_split in metrics["splits"].items():
        if quality := of_split.get("parts"):
            rows += ["", _quality_line(split, AlignmentQuality(**quality))]
    return metrics, "\n".join(rows)


def records_quality(records: PhotoRecords, tokenizer: Tokenizer, catalog: Catalog) -> AlignmentQuality | None:
    """Measures the pairs of all photos whose parts the catalogue knows; None if it knows none, or for a fixed grid."""
    if grid_of(records.metadata) != "kaleido":
        return None
    parts = {photo.id: photo.parts for product in catalog.products for photo in product.photos if photo.parts}
    if not parts:
        return None
    found = []
    for row, (photo, text) in enumerate(zip(records.photo_ids(), texts_of(records, np.arange(len(records))))):
        if photo in parts:
            box = records.product(row).box
            named = parts_in_box(words_of(tokenizer, *text), parts[photo], box, tokenizer)
            found.append((named, records.index.pairs(row)))
    return alignment_quality(found)


def parts_in_box(words: list[str], parts, box: np.ndarray, tokenizer: Tokenizer) -> list[NamedPart]:
    """Finds the words that name parts; boxes of the parts and of the product are in pixels of the photo."""
    x1, y1, x2, y2 = map(float, box)

    def cut(word: str) -> list[str]:
        return [part for part in words_of(tokenizer, *tokenizer.encode(word)) if part]

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
