"""Contact sheets: many pictures with captions in one."""

from collections.abc import Sequence
from itertools import cycle

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from kaleido.catalog.product import Photo

MARGIN = 6
PART_COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")


def contact_sheet(
    pictures: Sequence[Image.Image], captions: Sequence[str], columns: int = 6, cell: int = 160
) -> Image.Image:
    """Draws pictures row by row in square cells, each with its caption below, cut to the cell's width.

    Args:
        pictures: One or more pictures of any mode and size.
        captions: A caption for each picture; line breaks are kept.
        columns: Cells in a row; fewer pictures make a narrower sheet.
        cell: Width and height of a cell, without its caption, in pixels.

    Returns:
        RGB picture.

    Raises:
        ValueError: if there is no picture or the number of captions differs.
    """
    if not pictures or len(pictures) != len(captions):
        raise ValueError(
            f"One caption a picture, and at least one picture. Received: {len(pictures)} and {len(captions)}."
        )
    font = ImageFont.load_default_imagefont()
    line_height = font.getbbox("Ag")[3]
    # The bitmap font has the characters of Latin-1 only.
    texts = [caption.encode("latin-1", "replace").decode("latin-1").splitlines() or [""] for caption in captions]
    columns = min(columns, len(pictures))
    width, height = cell + MARGIN, cell + MARGIN + line_height * max(map(len, texts))
    sheet = Image.new("RGB", (columns * width + MARGIN, -(-len(pictures) // columns) * height + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (picture, lines) in enumerate(zip(pictures, texts)):
        left, top = MARGIN + index % columns * width, MARGIN + index // columns * height
        fitted = fit(picture, cell)
        sheet.paste(fitted, (left + (cell - fitted.width) // 2, top + (cell - fitted.height) // 2))
        for number, line in enumerate(lines):
            draw.text((left, top + cell + number * line_height), _cut(line, font, cell), fill="black", font=font)
    return sheet


def fit(picture: Image.Image, cell: int) -> Image.Image:
    """Converts a picture to RGB and scales it so that its longer side is `cell` pixels."""
    scale = cell / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def with_truth(picture: Image.Image, photo: Photo, mask: Image.Image | None, cell: int) -> Image.Image:
    """Scales a photo to a cell and draws its ground truth on it: part boxes, their names and the mask's outline.

    Args:
        picture: The photo in the size that its boxes refer to.
        photo: The photo's boxes and parts.
        mask: Grey picture of the photo's size, 255 on the product; None if unknown.
        cell: Longer side of the result in pixels.
    """
    marked = fit(picture, cell)
    if mask is not None:
        inside = mask.convert("L").resize(marked.size, Image.Resampling.NEAREST)
        marked.paste("black", mask=ImageChops.difference(inside, inside.filter(ImageFilter.MinFilter(3))))
    draw, font = ImageDraw.Draw(marked), ImageFont.load_default_imagefont()
    scale = marked.width / picture.width
    for part, colour in zip(photo.parts, cycle(PART_COLOURS)):
        x1, y1, x2, y2 = (side * scale for side in part.box)
        draw.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=colour)
        draw.text((x1 + 2, y1 + 1), part.name, fill=colour, font=font)
    return marked


def _cut(line: str, font: ImageFont.ImageFont, width: int) -> str:
    while line and font.getlength(line) > width:
        line = line[:-1]
    return line
