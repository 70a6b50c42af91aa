"""Pictures as files: formats that are read, limits, and what is wrong with a header."""

import io
import struct
import warnings
from collections.abc import Callable
from functools import cache

from PIL import Image

from kaleido.errors import UserError

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jfif",
    ".png",
    ".webp",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".avif",
    ".heic",
    ".heif",
    ".jp2",
)
"""Usual file name suffixes of the formats that are read, lower case."""

MIN_SIDE = 5
"""Minimum side in pixels: the finest grid has five cells a side, and every cell needs a pixel."""

MAX_MEGAPIXELS = 64.0
"""Default of the largest number of pixels, in millions: some kilobytes can claim gigabytes."""

LARGEST_LIMIT = 178.0
"""Largest limit that can be chosen: Pillow itself refuses pictures of more millions of pixels."""

HEAD, TAIL = 2**15, 2**10
"""Bytes at a file's beginning that nearly always hold its header, and at its end that tell whether it is complete."""

# Pillow knows more formats; some of those start other programs (EPS) or are no photos at all.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_REDUCTIONS = (2, 4, 8)
"""By how much decoders of JPEG and JPEG 2000 can divide both sides, at a fraction of the work and memory."""

# Start-of-frame markers of JPEG; the frame of a progressive one is decoded whole whatever the reduction.
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}

_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG": b"IEND"}
"""Last bytes of complete files by their first bytes."""


def open_picture(data: bytes) -> Image.Image:
    """Opens an encoded picture without decoding it.

    Raises:
        UserError: if it is HEIC and pillow-heif is not installed.
        Exception: nearly any, from Pillow, if it is damaged; `reason_of` describes it.
    """
    _ignore_warnings()
    formats: tuple[str, ...] = _FORMATS
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        if not _can_read_heif():
            raise UserError("photo is HEIC: pip install 'kaleido-bert[heif]', or save it as JPEG")
        formats = ("HEIF",)
    return Image.open(io.BytesIO(data), formats=formats)


def fit(image: Image.Image, max_megapixels: float) -> None:
    """Checks the size of an opened picture, and has one beyond the limit decoded at a reduced size where it can be.

    Pictures within the limit are never reduced, so that the limit changes none of their pixels. A JPEG (other than
    progressive) or JPEG 2000 beyond it is decoded at a half, a quarter or an eighth of its sides, the largest that
    fits.

    Raises:
        UserError: if the picture is too small, or too large and cannot be reduced.
    """
    reducible = image.format == "JPEG2000" or (
        image.format in ("JPEG", "MPO") and not image.info.get("progressive", image.info.get("progression"))
    )
    factor = _factor(*image.size, max_megapixels, reducible)
    if factor > 1 and image.format == "JPEG2000":
        image.reduce = factor.bit_length() - 1
    elif factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))


def check_size(width: int, height: int, max_megapixels: float = MAX_MEGAPIXELS) -> None:
    """Raises a `UserError` if a picture of this size is too small or too large."""
    _factor(width, height, max_megapixels, reducible=False)


def header_problem(
    head: bytes, tail: bytes, size: int, read: Callable[[], bytes], max_megapixels: float = MAX_MEGAPIXELS
) -> str:
    """Says why a picture cannot be used, as far as its header tells; empty if nothing is known to be wrong.

    A picture that does not end as its format ends, and may be cut off, is decoded to find out.

    Args:
        head: Its first `HEAD` bytes, or all.
        tail: Its last `TAIL` bytes; empty if they are not known.
        size: Number of its bytes.
        read: Returns all of it; called if `head` does not hold the header, or the end is missing.
        max_megapixels: Largest number of pixels, in millions.
    """
    try:
        check_whole(head, size)
        complete = (not tail or _ends(head, tail)) and _stated_size(head) <= size
        if complete and (frame := _jpeg_frame(head)):
            width, height, reducible = frame
            _factor(width, height, max_megapixels, reducible)
            return ""
        try:
            image = open_picture(head if complete else read())
        except Exception as error:
            if isinstance(error, UserError | Image.DecompressionBombError) or size <= len(head) or not complete:
                raise
            image = open_picture(read())
        with image:
            fit(image, max_megapixels)
            if image.mode == "F":
                return FLOATING_POINT
            if not complete:
                image.load()
    except Exception as error:  # damaged files make Pillow raise nearly anything
        return reason_of(error, max_megapixels)
    return ""


def check_whole(head: bytes, size: int) -> None:
    """Raises a `UserError` if a JPEG 2000 file is cut short, of which its decoder may make a blank picture.

    Args:
        head: Its first `HEAD` bytes, or all.
        size: Number of its bytes.
    """
    if head[4:8] == b"jP  " and _stated_size(head) > size:
        raise UserError(f"photo cannot be decoded: cut short. Received: {size} bytes of {_stated_size(head)}")


def _stated_size(head: bytes) -> int:
    """Number of bytes that the beginning of a HEIC, AVIF, JPEG 2000 or WebP file says it has; 0 if it says nothing."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return 8 + int.from_bytes(head[4:8], "little")
    if head[4:8] not in (b"ftyp", b"jP  "):
        return 0
    place = 0
    while place + 8 <= len(head):
        length = int.from_bytes(head[place : place + 4], "big")
        if length < 8:  # to the end of the file, or a length of 64 bits
            break
        place += length
    return place


FLOATING_POINT = "photo cannot be decoded: floating-point pixels; save it with 8 bits a channel"


def reason_of(error: Exception, max_megapixels: float) -> str:
    """Describes in a line why a picture cannot be opened or decoded."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, Image.UnidentifiedImageError):
        return "photo cannot be decoded: not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC or JPEG 2000 picture"
    if isinstance(error, Image.DecompressionBombError):
        return f"photo is too large: at most {_pixels(max_megapixels):,} pixels are read"
    return f"photo cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}"


def _factor(width: int, height: int, max_megapixels: float, reducible: bool) -> int:
    """By what both sides have to be divided: 1, or one of `_REDUCTIONS`."""
    if min(width, height) < MIN_SIDE:
        raise UserError(f"photo is too small: at least {MIN_SIDE}x{MIN_SIDE} pixels. Received: {width}x{height}")
    limit = _pixels(max_megapixels)
    if width * height <= limit:
        return 1
    for factor in _REDUCTIONS if reducible and width * height <= LARGEST_LIMIT * 1e6 else ():
        if -(-width // factor) * -(-height // factor) <= limit and min(width, height) // factor >= MIN_SIDE:
            return factor
    raise UserError(f"photo is too large: at most {limit:,} pixels are read. Received: {width}x{height}")


def _pixels(megapixels: float) -> int:
    return round(megapixels * 1e6)


def _ends(head: bytes, tail: bytes) -> bool:
    """Tells whether a picture ends as its format ends; true of formats without a mark at their end."""
    for start, end in _ENDS.items():
        if head.startswith(start):
            return end in tail
    return True


def _jpeg_frame(head: bytes) -> tuple[int, int, bool] | None:
    """Width, height and whether it can be reduced, of a JPEG whose frame is in `head`; None leaves it to Pillow.

    Takes a sixth of the time of opening it with Pillow, which a table of a million photos needs.
    """
    if head[:3] != b"\xff\xd8\xff":
        return None
    place, end = 2, len(head) - 9
    while place < end and head[place] == 0xFF:
        marker = head[place + 1]
        if marker in _FRAMES:
            depth, height, width = struct.unpack_from(">BHH", head, place + 4)
            return (width, height, marker not in _PROGRESSIVE) if depth == 8 and height else None
        place += 2 + int.from_bytes(head[place + 2 : place + 4], "big")
    return None


@cache
def _ignore_warnings() -> None:
    """Pillow warns between its own limit and twice that; such photos are reduced or rejected here in any case."""
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@cache
def _can_read_heif() -> bool:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
