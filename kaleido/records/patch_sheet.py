"""A picture of the kaleido patches of some products, as their records have them."""

from io import BytesIO
from pathlib import Path

import numpy as np

from kaleido.atomic import write_atomically
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.records.catalog_columns import photo_uri
from kaleido.records.description import grid_of
from kaleido.records.folder import Records
from kaleido.vision.kaleido_sheet import kaleido_sheet, kaleido_sheets
from kaleido.vision.photo import decode
from kaleido.vision.product import spread_mask

FILE = "patches.png"
PRODUCTS = 8


def write_patch_sheet(catalog: Catalog, records: Records) -> Path | None:
    """Draws the patches of some training products beside the records, unless the picture is there.

    Args:
        catalog: Catalogue that the records were made of.
        records: Records of photos.

    Returns:
        The picture; None for a grid other than `kaleido`, or if no photo can be read any more.
    """
    if grid_of(records.metadata) != "kaleido":
        return None
    path = records.directory / FILE
    if path.exists():
        return path
    train = records.open("train")
    _, first = np.unique(train.index.product, return_index=True)
    sheets = []
    for row in first[:: max(1, len(first) // PRODUCTS)][:PRODUCTS].tolist():
        try:
            photo = decode(catalog.read(photo_uri(train, catalog, row)))
        except UserError:
            continue
        view = train.product(row)
        box = tuple(view.box.tolist())
        sheets.append(kaleido_sheet(photo, spread_mask(view.cells, box, *photo.shape[:2]), box))
    if not sheets:
        return None
    png = BytesIO()
    kaleido_sheets(sheets).save(png, format="PNG")
    write_atomically(path, png.getvalue())
    return path
