"""A picture of the kaleido patches of some products of a catalogue."""

from io import BytesIO
from pathlib import Path

from kaleido.atomic import remove_leftovers, write_atomically
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.records.config import PrepareConfig

FILE = "patches.png"
PRODUCTS = 8


def write_patch_sheet(catalog: Catalog, config: PrepareConfig, directory: Path) -> Path | None:
    """Draws the patches of some products beside their records, unless the picture is there.

    Args:
        catalog: Catalogue that the records were made of.
        config: Preparation of the records.
        directory: Folder of the records.

    Returns:
        The picture; None for a grid other than `kaleido`, or if no photo can be read.
    """
    if config.grid != "kaleido":
        return None
    path = directory / FILE
    if path.exists():
        return path
    from kaleido.vision.kaleido_sheet import kaleido_sheet, kaleido_sheets
    from kaleido.vision.photo import decode
    from kaleido.vision.saliency import box_of, create_saliency

    remove_leftovers(directory)
    saliency = create_saliency(config.saliency, config.saliency_weights)
    sheets = []
    for product in catalog.products[:: max(1, len(catalog.products) // PRODUCTS)][:PRODUCTS]:
        try:
            photo = decode(catalog.read(product.photos[0].uri))
        except UserError:  # already among the rejects, or preparation would have stopped
            continue
        mask = saliency.mask(photo)
        sheets.append(kaleido_sheet(photo, mask, box_of(mask)))
    if not sheets:
        return None
    png = BytesIO()
    kaleido_sheets(sheets).save(png, format="PNG")
    write_atomically(path, png.getvalue())
    return path
