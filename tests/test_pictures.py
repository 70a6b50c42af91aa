"""Headers of photos, and decoding of large ones at a reduced size."""

import io
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from kaleido import pictures
from kaleido.errors import UserError
from kaleido.pictures import HEAD, TAIL, header_problem
from kaleido.vision.photo import decode


@cache
def encoded(width, height, kind="JPEG", **options):
    ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, kind, **options)
    return buffer.getvalue()


def problem_of(data, max_megapixels=64.0, head=HEAD):
    reads = []

    def read():
        reads.append(1)
        return data

    return header_problem(data[:head], data[-TAIL:], len(data), read, max_megapixels), len(reads)


KINDS = {
    "JPEG": {},
    "progressive": {"kind": "JPEG", "progressive": True},
    "PNG": {},
    "WEBP": {},
    "GIF": {},
    "BMP": {},
    "TIFF": {},
    "AVIF": {},
    "JPEG2000": {},
    "EXIF": {"kind": "JPEG", "exif": b"Exif\0\0" + bytes(60_000)},
}


@pytest.mark.parametrize("name", KINDS)
def test_the_header_of_a_good_photo(name):
    options = {"kind": name, **KINDS[name]}
    data = encoded(200, 150, **options)
    assert problem_of(data)[0] == ""
    assert problem_of(data + bytes(5000))[0] == "", "many programs add something at the end"
    assert problem_of(encoded(4, 80, **options))[0].startswith("photo is too small")
    if name in ("JPEG", "PNG"):
        assert problem_of(data) == ("", 0)


@pytest.mark.parametrize("name", ["JPEG", "progressive", "PNG", "WEBP", "AVIF", "JPEG2000"])
@given(share=st.floats(0.05, 0.9))
@example(share=213 / 4203)  # just behind the header of this JPEG 2000 file
def test_a_photo_cut_short(name, share):
    data = encoded(300, 200, **{"kind": name, **KINDS[name]})
    cut = data[: int(share * len(data))]
    with pytest.raises(UserError) as error:
        decode(cut)
    assert problem_of(cut)[0] == str(error.value)


@given(width=st.integers(5, 300), height=st.integers(5, 300), kind=st.sampled_from(["JPEG", "PNG"]))
def test_a_limit_changes_nothing_within_it(width, height, kind):
    data = encoded(width, height, kind)
    np.testing.assert_array_equal(decode(data, width * height / 1e6), decode(data))


@pytest.mark.parametrize(
    ("limit", "size"), [(0.06, (300, 200)), (0.059, (150, 100)), (0.01, (75, 50)), (0.001, (38, 25))]
)
@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_a_large_photo_is_reduced(kind, limit, size):
    data = encoded(300, 200, kind)
    small = decode(data, limit)
    assert small.shape == (size[1], size[0], 3)
    expected = np.asarray(Image.fromarray(decode(data)).resize(size, Image.Resampling.BOX)).astype(int)
    assert np.abs(small.astype(int) - expected).mean() < 6
    assert problem_of(data, limit)[0] == ""


@pytest.mark.parametrize(("name", "limit"), [("PNG", 0.059), ("progressive", 0.059), ("JPEG", 0.0005)])
def test_a_large_photo_that_cannot_be_reduced(name, limit):
    data = encoded(300, 200, **{"kind": name, **KINDS[name]})
    message = f"photo is too large: at most {round(limit * 1e6):,} pixels are read. Received: 300x200"
    assert problem_of(data, limit)[0] == message
    with pytest.raises(UserError, match=message.replace("x200", "x200$")):
        decode(data, limit)


def test_a_reduced_photo_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(300, 200, exif=exif.tobytes()), 0.059).shape == (150, 100, 3)


HEIC = b"\0\0\0\x18ftypheic" + bytes(100)


def test_heic_without_its_library(monkeypatch):
    monkeypatch.setattr(pictures, "_can_read_heif", lambda: False)
    reason = "photo is HEIC: pip install 'kaleido-bert[heif]', or save it as JPEG"
    assert problem_of(HEIC)[0] == reason
    with pytest.raises(UserError) as error:
        decode(HEIC)
    assert str(error.value) == reason


def test_heic():
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), "red")).save(buffer)
    assert decode(buffer.getvalue()).shape == (48, 64, 3)
    assert problem_of(buffer.getvalue())[0] == ""
    assert "cannot be decoded" in problem_of(HEIC)[0]
