"""A shop's own files, to be imported."""

import csv
import shutil
from pathlib import Path

from kaleido.catalog.catalog import Catalog


def write_shop(wardrobe: Path, shop: Path) -> None:
    """A table and photos as a shop would have them, with some rows that cannot be used."""
    shutil.copytree(wardrobe / "photos", shop / "photos")
    with open(shop / "products.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "title", "description", "category", "photos"])
        for number, product in enumerate(Catalog.open(wardrobe).products):
            photos = "" if number % 50 == 7 else "|".join(photo.uri for photo in product.photos)
            table.writerow([product.id, product.title, product.description, product.category, photos])
