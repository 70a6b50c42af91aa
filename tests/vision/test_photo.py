"""Decoding: every kind of file becomes RGB, and every broken one a single line."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kaleido.errors import UserError
from kaleido.vision.photo import decode

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_rgb_is_kept_exactly():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)
    decoded = decode(encoded(Image.fromarray(pixels)))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)
    np.testing.assert_array_equal(decode(pixels), pixels)


def test_camera_rotation_is_applied():
    image = Image.new("RGB", (16, 8), "white")
    image.paste("red", (0, 0, 8, 8))  # left half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees: left becomes top
    photo = decode(encoded(image, exif=exif))
    assert photo.shape == (16, 8, 3)
    assert tuple(photo[2, 4]) == RED
    assert tuple(photo[13, 4]) == WHITE


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_white(mode):
    if mode == "P":
        image = Image.new("P", (8, 8), 0)
        image.putpalette([0, 0, 0, 255, 0, 0])
        data = encoded(image, transparency=0)
    else:
        data = encoded(Image.new(mode, (8, 8), 0))
    assert (decode(data) == 255).all()


def test_half_transparent_red_on_white_is_pink():
    assert tuple(decode(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 128))))[0, 0]) == (255, 127, 127)


def test_sixteen_bit_grey_is_scaled_not_clipped():
    ramp = np.repeat(np.array([[0, 256, 32768, 65535]], np.uint16), 8, axis=0).repeat(2, axis=1)
    photo = decode(encoded(Image.fromarray(ramp)))
    assert photo[0, ::2, 0].tolist() == [0, 1, 128, 255]


def test_cmyk():
    photo = decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(photo[8, 8].astype(int) - RED).max() < 10


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "white")]
    photo = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert tuple(photo[0, 0]) == RED


def noise_jpeg() -> bytes:
    return encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), "JPEG")


def bomb(width: int, height: int) -> bytes:
    """A PNG header that claims pixels, without any."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header) - 4) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


BAD_PHOTOS = {
    "empty": (b"", "cannot be decoded"),
    "text": (b"<html>404</html>", "cannot be decoded: not a JPEG"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot be decoded"),
    "truncated": (noise_jpeg()[:1000], "truncated"),
    "narrow": (encoded(Image.new("RGB", (4, 80))), r"too small: at least 5x5 pixels\. Received: 4x80"),
    "float": (encoded(Image.new("F", (8, 8)), "TIFF"), "floating-point"),
    "large": (bomb(10_000, 10_000), r"too large: .* Received: 10000x10000"),
    "bomb": (bomb(60_000, 60_000), "too large: at most"),
    "grey array": (np.zeros((80, 60), np.uint8), r"Received: uint8 \[80, 60\]"),
    "narrow array": (np.zeros((80, 4, 3), np.uint8), "too small"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as in photo.py; pytest resets it
@pytest.mark.parametrize(("data", "reason"), BAD_PHOTOS.values(), ids=BAD_PHOTOS)
def test_bad_photos_are_one_line(data, reason):
    with pytest.raises(UserError, match=reason) as error:
        decode(data)
    assert "\n" not in str(error.value)
