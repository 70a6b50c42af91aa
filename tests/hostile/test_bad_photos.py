"""Photos: what can be used becomes RGB, what cannot is named or left out and listed."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from pictures import picture
from PIL import Image

from kaleido.records.reader import PhotoRecords


def png_claim(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def tiff_claim(width, height):
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (279, 4, 9)]
    fields = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + bytes(4)


def gif_claim(width, height):
    data = bytearray(picture("GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp_claim(width, height):
    data = bytearray(picture("BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def webp_claim(width, height):
    """The canvas of an extended WebP is stored less 1 in 24 bits each."""
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas + picture("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("JPEG", (40, 20), exif=exif)


def sixteen_bit():
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


BAD = {
    "cut.jpg": (picture("JPEG", (64, 64))[:-200], "cannot be decoded"),
    "cut.png": (picture("PNG", (64, 64))[:60], "cannot be decoded"),
    "cut.webp": (picture("WEBP", (64, 64))[:40], "cannot be decoded"),
    "text.jpg": (b"no photo here\n", "not a JPEG"),
    "page.jpg": (b"<!DOCTYPE html><html>404</html>", "not a JPEG"),
    "svg.png": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a JPEG"),
    "postscript.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a JPEG"),
    "zeros.jpg": (bytes(1000), "not a JPEG"),
    "bomb.png": (png_claim(50_000, 50_000), "too large"),
    "bomb.tiff": (tiff_claim(50_000, 50_000), "too large"),
    "bomb.gif": (gif_claim(50_000, 50_000), "too large"),
    "bomb.bmp": (bmp_claim(50_000, 50_000), "too large"),
    "bomb.webp": (webp_claim(16_000, 16_000), "too large"),
    "large.png": (png_claim(9_000, 9_000), "too large: at most 64,000,000 pixels are read. Received: 9000x9000"),
    "one.png": (picture(size=(1, 1)), "too small: at least 5x5 pixels. Received: 1x1"),
    "line.png": (picture(size=(1, 10_000)), "too small: at least 5x5 pixels. Received: 1x10000"),
    "float.tiff": (picture("TIFF", mode="F"), "floating-point"),
}
USABLE = {
    "animated.gif": (picture("GIF", save_all=True, append_images=[Image.new("RGB", (24, 32), "red")]), (24, 32)),
    "animated.webp": (picture("WEBP", save_all=True, append_images=[Image.new("RGB", (24, 32), "red")]), (24, 32)),
    "cmyk.jpg": (picture("JPEG", mode="CMYK"), (24, 32)),
    "sixteen.png": (sixteen_bit(), (20, 20)),
    "rotated.jpg": (rotated(), (20, 40)),
    "narrow.png": (picture(size=(10_000, 6)), (10_000, 6)),
    "grey.png": (picture(mode="L"), (24, 32)),
    "bit.png": (picture(mode="1"), (24, 32)),
    "no-suffix": (picture("JPEG"), (24, 32)),
    "jpeg-called.png": (picture("JPEG"), (24, 32)),
}


SEEN = (("a", "train"), ("b", "train"), ("c", "validation"))


@pytest.fixture
def prepare(folder, run, vocabulary, tmp_path):
    """`prepare(photos)`: the words of the command that prepares a catalogue with these photos."""

    def words(photos: dict[str, bytes]) -> tuple:
        names = sorted({"a.png", *photos})
        table = "id,title,split,photos\n" + "".join(f"{name},Product {name},train,{name}\n" for name in names)
        source = folder(table, photos=photos)
        unchecked = ("--overwrite", "--check-photos=false")
        assert run("catalog", "import", "folder", source, "--out", tmp_path / "catalog", *unchecked)[0] == 0
        options = ("backbone=random", f"vocabulary={vocabulary}", "validation_fraction=0", "workers=2")
        paths = ("--catalog", tmp_path / "catalog", "--out", tmp_path / "records")
        return ("prepare", *paths, *(f"--prepare_config.{option}" for option in options))

    return words


@pytest.mark.parametrize("name", BAD)
def test_preparation_stops_at_a_bad_photo(name, prepare, refused, tmp_path):
    data, reason = BAD[name]
    line = refused(*prepare({name: data}))
    assert f"{tmp_path / 'source'}, {name}, photo of product {name}: " in line
    assert reason in line and "set on_error to skip" in line


KNOWN_LATER = {"cut.webp"}
"""Photos whose header and end tell nothing of what is wrong."""


@pytest.mark.parametrize("name", sorted(set(BAD) - KNOWN_LATER))
def test_the_import_knows_a_bad_photo(name, folder, import_source):
    data, reason = BAD[name]
    line, rejects = import_source(folder(f"id,title,photos\na,Red,a.png\nb,Blue,{name}\n", photos={name: data}))
    assert f"products.csv, row 3: photo '{name}': " in line and reason in line and "such photos" in line
    assert [(reject["row"], reject["photo"]) for reject in rejects] == [(3, name)]


def test_the_import_takes_all_other_photos(folder, run, tmp_path):
    photos = {name: data for name, (data, _) in USABLE.items()}
    table = "id,title,photos\n" + "".join(f"{name},Red,{name}\n" for name in photos)
    code, _, lines = run("catalog", "import", "folder", folder(table, photos=photos), "--out", tmp_path / "out")
    assert code == 0 and not lines


def test_preparation_skips_bad_photos_and_takes_all_others(prepare, run, tmp_path):
    bad = {name: data for name, (data, _) in BAD.items()}
    words = prepare(bad | {name: data for name, (data, _) in USABLE.items()})
    code, printed, lines = run(*words, "--prepare_config.on_error=skip")
    assert code == 0 and not lines
    assert f"{len(BAD)} rejected (rejects.jsonl)" in printed
    rejects = [json.loads(line) for line in (tmp_path / "records" / "rejects.jsonl").read_text().splitlines()]
    assert {reject["product_id"] for reject in rejects} == set(BAD)
    assert all(BAD[reject["product_id"]][1] in reject["reason"] for reject in rejects)
    records = PhotoRecords.open(tmp_path / "records", "train")
    examples = [records.example(index) for index in range(len(records))]
    sizes = {example["product_id"].decode(): tuple(example["photo_size"]) for example in examples}
    assert sizes == {"a.png": (24, 32)} | {name: size for name, (_, size) in USABLE.items()}


def test_a_photo_that_went_after_the_import(prepare, refused, tmp_path):
    words = prepare({"b.png": picture()})
    (tmp_path / "source" / "b.png").unlink()
    assert "'b.png' does not exist" in refused(*words)


def test_no_photo_is_left(prepare, refused, tmp_path):
    words = prepare({"a.png": b"x"})
    assert "rejected" in refused(*words, "--prepare_config.on_error=skip")


def test_the_contact_sheet_names_a_bad_photo(prepare, refused, tmp_path):
    prepare({"b.png": b"x"})
    assert "'photos/b.png': photo cannot be decoded" in refused("catalog", "show", tmp_path / "catalog")


def test_a_category_unseen_in_training(folder, run, vocabulary, tmp_path):
    """Labels are those of all products, so that an unseen one has its number too; it is said, not refused."""
    seen = "".join(f"{name},Red,{split},dresses,long\n" for name, split in SEEN)
    table = f"id,title,split,category,subcategory\n{seen}d,Tan,validation,hats,caps\n"
    source = folder(table, photos={f"images/{name}.png": picture() for name in "abcd"})
    assert run("catalog", "import", "folder", source, "--out", tmp_path / "catalog")[0] == 0
    options = [f"--prepare_config.{option}" for option in ("backbone=random", f"vocabulary={vocabulary}")]
    code, printed, lines = run("prepare", "--catalog", tmp_path / "catalog", "--out", tmp_path / "records", *options)
    assert code == 0
    assert PhotoRecords.open(tmp_path / "records", "validation").metadata["categories"] == ["dresses", "hats"]
    assert "in no training product: caps, hats" in printed + " ".join(lines)
