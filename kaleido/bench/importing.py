"""Measures how fast a table of products is imported."""

import random
import tempfile
import time
from pathlib import Path

from PIL import Image

from kaleido.catalog.importing import import_table

_WORDS = "red blue cotton linen dress skirt shirt long short sleeve crew neck summer winter slim fit wool denim"


def benchmark_importing(rows: int = 100_000) -> dict[str, float]:
    """Writes tables of products with one photo, then times importing them.

    The texts have 24 words and HTML; all products share one photo, so the disk is not measured.

    Args:
        rows: Rows of the table; another has a tenth of them.

    Returns:
        `examples_per_second`, rows of the table in a second of the import, and `tenth_examples_per_second`, the same
        for the smaller one: equal where the time grows linearly.
    """
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"tenth_examples_per_second": max(rows // 10, 1), "examples_per_second": rows}
        return {name: _rate(Path(folder) / name, size) for name, size in sizes.items()}


def write_table(folder: Path, rows: int) -> None:
    """Writes `products.csv` and the photo that all its products share."""
    folder.mkdir()
    Image.new("RGB", (60, 80), "red").save(folder / "photo.jpg")
    rng = random.Random(0)
    with open(folder / "products.csv", "w", encoding="utf-8") as table:
        table.write("SKU,Name,Description,Category,Sub Category,Brand,Price,Image\n")
        for number in range(rows):
            words = rng.choices(_WORDS.split(), k=24)
            table.write(
                f"P{number:07d},{' '.join(words[:5])},<p>{' '.join(words[5:])} &amp; more</p>,{words[0]},{words[1]},"
                f"Brand {number % 97},{number % 200}.99,photo.jpg\n"
            )


def _rate(folder: Path, rows: int) -> float:
    write_table(folder, rows)
    started = time.perf_counter()
    import_table(folder, "products.csv", folder / "catalog")
    return rows / (time.perf_counter() - started)
