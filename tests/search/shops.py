"""Tables of small shops, with photos."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200), "green": (30, 160, 30)}
KINDS = ("dress", "shirt", "hat", "shoe")


def draw(path: Path, seed: int, side: int = 48) -> None:
    """Draws a photo of a product of random texture on white."""
    random = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), 255, np.uint8)
    tint = np.array(list(COLOURS.values())[seed % 3])
    pixels[6:-6, 8:-8] = (tint * random.uniform(0.5, 1, (side - 12, side - 16, 1))).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def rows_of(count: int) -> list[dict[str, str]]:
    """Rows of a table of products, of which every third has a second photo."""
    rows = []
    for number in range(count):
        colour, kind = list(COLOURS)[number % 3], KINDS[number % 4]
        photos = [f"{number}-0.png"] + [f"{number}-1.png"] * (number % 3 == 0)
        rows.append(
            {
                "id": f"p{number:03}",
                "title": f"{colour} {kind} number {number}",
                "category": kind,
                "Colour": colour,
                "price": f"{5 * number + 0.5} EUR",
                "photos": "|".join(photos),
            }
        )
    return rows


def write_table(folder: Path, rows: list[dict[str, str]]) -> Path:
    """Writes a table, and the photos that it names and that are not there."""
    path = folder / "products.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        for name in row["photos"].split("|"):
            if not (folder / name).exists():
                number, _, view = name.removesuffix(".png").partition("-")
                draw(folder / name, 10 * int(number) + int(view))
    return path
