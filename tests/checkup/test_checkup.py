"""`kaleido doctor` on a drawn catalogue with faults that the test plants."""

import csv
import io
import json
import random
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from kaleido.__main__ import main
from kaleido.catalog import product_json
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import Photo, Product
from kaleido.checkup import photo_faults
from kaleido.checkup.agreement import bag_of_words, fold_of, gather, label_findings, mismatch_findings
from kaleido.checkup.duplicates import chance_of
from kaleido.checkup.examine import doctor
from kaleido.checkup.finding import KINDS, Finding
from kaleido.checkup.report import write_report
from kaleido.checkup.texts import text_findings
from kaleido.errors import UserError
from kaleido.search.vector_file import Header, write_vectors

COLOURS = {"red": (190, 30, 40), "blue": (40, 60, 190), "green": (30, 140, 60), "black": (25, 25, 30)}
SHAPES = ("dress", "shirt", "bag", "hat", "boot")


@cache
def drawn(shape: str, colour: str, seed: int, size: tuple[int, int] = (60, 80)) -> Image.Image:
    """A product on white, with a pattern of its own."""
    draw = random.Random(seed)
    width, height = size
    big = Image.new("RGB", (4 * width, 4 * height), "white")
    pen = ImageDraw.Draw(big)
    left, right = draw.uniform(0.15, 0.3) * 4 * width, draw.uniform(0.7, 0.85) * 4 * width
    top, bottom = draw.uniform(0.1, 0.25) * 4 * height, draw.uniform(0.75, 0.9) * 4 * height
    fill = COLOURS[colour]
    if shape == "dress":
        pen.polygon([((left + right) / 2, top), (left, bottom), (right, bottom)], fill=fill)
    elif shape == "shirt":
        pen.rectangle((left, top, right, (top + bottom) / 2), fill=fill)
    elif shape == "bag":
        pen.rounded_rectangle((left, (top + bottom) / 2, right, bottom), 20, fill=fill)
        pen.arc((left + 30, top + 40, right - 30, bottom), 180, 360, fill=fill, width=8)
    elif shape == "hat":
        pen.ellipse((left, (top + bottom) / 2 - 20, right, (top + bottom) / 2 + 30), fill=fill)
        pen.rectangle((left + 50, top + 40, right - 50, (top + bottom) / 2), fill=fill)
    else:
        pen.polygon(
            [(left, top), (left + 60, top), (left + 70, bottom - 60), (right, bottom), (left, bottom)], fill=fill
        )
    for _ in range(draw.randint(4, 9)):
        x, y = draw.uniform(left, right), draw.uniform(top, bottom)
        if big.getpixel((int(x), int(y))) == fill:
            shade = tuple(min(255, value + draw.choice([-25, 60, 90])) for value in fill)
            pen.ellipse((x - 14, y - 14, x + 14, y + 14), fill=shade)
    return big.resize(size, Image.Resampling.LANCZOS)


def described(seed: int) -> tuple[str, str]:
    draw = random.Random(1000 + seed)
    return draw.choice(SHAPES), draw.choice([*COLOURS])


def title_of(seed: int) -> str:
    shape, colour = described(seed)
    return f"{random.Random(seed).choice(['Aria', 'Bolt', 'Cora', 'Dune'])} {colour} {shape} no. {seed}"


def vector(shape: str, colour: str, seed: int) -> np.ndarray:
    """What a good model would give: shape and colour, and a little of its own."""
    values = 0.1 * np.random.default_rng(seed).normal(size=16)
    values[SHAPES.index(shape)] += 1
    values[8 + [*COLOURS].index(colour)] += 0.6
    return values / np.linalg.norm(values)


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A catalogue with faults, its vectors beside it, and the planted kind by product."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "photos").mkdir()
    count = 240
    products, pictures, seen = {}, {}, {}
    for seed in range(count):
        name = f"p{seed:03}"
        shape, colour = described(seed)
        products[name] = Product(name, title_of(seed), (Photo(name, f"photos/{name}.jpg"),), category=shape)
        pictures[name] = drawn(shape, colour, seed)
        seen[name] = shape, colour, seed
    planted: dict[str, str] = {}
    edits = {
        "p900": pictures["p000"].transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "p901": pictures["p001"].resize((120, 160), Image.Resampling.BICUBIC),
        "p902": ImageEnhance.Brightness(pictures["p002"]).enhance(0.8),
        "p903": pictures["p003"].crop((2, 3, 58, 78)),
    }
    for place, (name, picture) in enumerate(edits.items()):
        first = products[f"p{place:03}"]
        same = place % 2 == 0
        title = first.title if same else f"{first.title} again"
        products[name] = replace(first, id=name, title=title, photos=(Photo(name, f"photos/{name}.jpg"),))
        pictures[name], seen[name] = picture, seen[first.id]
        planted[name] = "duplicate_product" if same else "duplicate_photo"
    for name in ("p010", "p011", "p012"):
        pictures[name] = pictures[name].filter(ImageFilter.GaussianBlur(2))
        planted[name] = "blurred_photo"
    pictures["p020"], planted["p020"] = Image.new("RGB", (60, 80), (130, 20, 90)), "blank_photo"
    pictures["p021"], planted["p021"] = pictures["p021"].resize((12, 16)), "tiny_photo"
    half = np.asarray(pictures["p022"]).copy()
    half[40:] = 128
    pictures["p022"], planted["p022"] = Image.fromarray(half), "cut_photo"
    marked = pictures["p023"].copy()
    for y in range(4, 80, 14):
        ImageDraw.Draw(marked).text((2 + y % 8, y), "SAMPLE", fill=(120, 120, 120))
    pictures["p023"], planted["p023"] = marked, "watermarked_photo"
    for name, text, kind in (
        ("p030", "n/a", "empty_text"),
        ("p031", "...", "empty_text"),
        ("p032", "Order now, free shipping and best price", "boilerplate_text"),
        ("p033", "Lorem ipsum dolor sit amet", "empty_text"),
    ):
        products[name] = replace(products[name], title=text)
        planted[name] = kind
    dresses = [name for name in products if products[name].category == "dress" and "p040" <= name < "p900"]
    boots = [name for name in products if products[name].category == "boot" and "p040" <= name < "p900"]
    for one, other in zip(dresses[:3], boots[:3]):
        first, second = products[one], products[other]
        products[one], products[other] = replace(first, title=second.title), replace(second, title=first.title)
        planted[one] = planted[other] = "mismatch"
    for one, label in ((dresses[4], "boot"), (dresses[5], "hat"), (boots[4], "bag")):
        products[one] = replace(products[one], category=label)
        planted[one] = "wrong_label"
    for name, picture in pictures.items():
        picture.save(folder / "photos" / f"{name}.jpg", quality=92)
    (folder / "photos" / "p024.jpg").write_bytes(b"no picture")
    planted["p024"] = "unreadable_photo"
    header = {"format": 1, "name": "shop", "kind": "folder", "products": len(products), "photos": len(products)}
    header |= {"sources": {"photos": {"kind": "folder", "path": "photos"}}, "importer": {}}
    (folder / "catalog.json").write_text(json.dumps(header))
    lines = [product_json.encode(products[name]) for name in sorted(products)]
    (folder / "products.jsonl").write_text("\n".join(lines) + "\n")
    names = [name for name in sorted(products) if name != "p024"]
    columns = {"ids": names, "photos": names, "stamps": [""] * len(names)}
    columns |= {key: [products[name].title for name in names] for key in ("titles", "texts")}
    image = np.stack([vector(*seen[name]) for name in names]).astype(np.float32)
    write_vectors(
        folder / "vectors.parquet", Header("0" * 64, "contrastive", ("image",), "float32"), columns, {"image": image}
    )
    return folder, planted


def few_samples(patch: pytest.MonkeyPatch) -> None:
    """Learning from fewer photos takes seconds instead of a minute."""
    patch.setattr(photo_faults, "SAMPLE", 120)
    patch.setattr(photo_faults, "STROKE_SAMPLE", 120)


@pytest.fixture(scope="module")
def report(shop, tmp_path_factory):
    folder, _ = shop
    with pytest.MonkeyPatch.context() as patch:
        few_samples(patch)
        return doctor(folder, out=tmp_path_factory.mktemp("report"), vectors=folder / "vectors.parquet", progress=False)


def test_planted_faults_are_found(shop, report):
    """Nearly every fault is found, and little else: 25 faults of eleven kinds among 244 products."""
    _, planted = shop
    found = {(one.kind, name) for one in report.findings for name in (one.product, one.other) if name}
    missed = {name: kind for name, kind in planted.items() if (kind, name) not in found}
    assert len(missed) <= 3, missed
    right = set(planted) | {f"p{number:03}" for number in range(4)}
    wrong = [one for one in report.findings if not {one.product, one.other} & right and one.kind != "equal_text"]
    assert len(wrong) <= 6, wrong


def test_the_page_and_the_table_agree(report):
    rows = list(csv.DictReader(io.StringIO((report.directory / "findings.csv").read_text())))
    assert [row["product"] for row in rows] == [one.product for one in report.findings]
    assert sum(report.counts.values()) == len(rows)
    for kind in KINDS:
        scores = [float(row["score"]) for row in rows if row["kind"] == kind]
        assert scores == sorted(scores, reverse=True)
    page = (report.directory / "report.html").read_text()
    for kind, count in report.counts.items():
        assert (f'id="{kind}">' in page) == (count > 0)
    assert not re.search(r'(src|href)="(?!data:image/jpeg|#)', page)


@pytest.mark.slow
def test_the_same_call_finds_the_same(shop, report, tmp_path, monkeypatch):
    folder, _ = shop
    few_samples(monkeypatch)
    again = doctor(folder, out=tmp_path, vectors=folder / "vectors.parquet", progress=False)
    assert again.findings == report.findings


def test_texts_are_escaped_and_cells_are_no_formulas(tmp_path):
    product = Product("=1+1", '<script>alert("x")</script>', (Photo("a", "photos/a"),))

    def read(uri: str) -> bytes:
        raise UserError("gone")

    found = [Finding("mismatch", "=1+1", "a", 0.9, "<b>why</b>")]
    write_report(tmp_path, "<shop>", "one", found, {"=1+1": product}, read, [], ["<note>"], 10)
    page = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in page and "<b>why" not in page and "<note>" not in page and "<shop>" not in page
    assert "no photo" in page
    assert "\nmismatch,'=1+1,a,0.9000" in (tmp_path / "findings.csv").read_text().replace("\r", "")


@pytest.mark.parametrize("size", [(60, 80), (300, 400)])
@pytest.mark.parametrize("edit", ["jpeg", "flip", "crop", "bright", "resize"])
def test_edited_copies_are_proven_and_others_are_not(edit, size):
    proven = 0
    for seed in range(6):
        shape, colour = described(seed)
        picture = drawn(shape, colour, seed, size)
        width, height = size
        if edit == "jpeg":
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=60)
            copy = Image.open(file)
        elif edit == "flip":
            copy = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        elif edit == "crop":
            copy = picture.crop((width // 20, height // 25, width - width // 30, height))
        elif edit == "bright":
            copy = ImageEnhance.Brightness(picture).enhance(0.8)
        else:
            copy = picture.resize((width * 2, height * 2), Image.Resampling.BILINEAR)
        one, other = np.asarray(picture), np.asarray(copy.convert("RGB"))
        proven += chance_of(one, other) > 0.6
        other_colour = next(name for name in COLOURS if name != colour)
        assert chance_of(one, np.asarray(drawn(shape, other_colour, seed + 50, size))) < 0.5
    assert proven >= 5


def test_texts_by_what_they_say():
    kinds = ["dress", "boot"] * 20
    titles = [f"{'Aria' if i % 4 < 2 else 'Bolt'} {kind} {i}" for i, kind in enumerate(kinds)]
    titles[3], titles[8] = "TBD", "Hurry! Best price, free shipping today"
    titles[11] = titles[21]
    descriptions = ["A fine thing of linen."] * 39 + [""]
    fields = {"title": titles, "description": descriptions}
    found = text_findings([str(i) for i in range(40)], {"title": titles}, kinds, [{i} for i in range(40)], 0.6)
    assert {(one.kind, one.product) for one in found} == {
        ("empty_text", "3"),
        ("boilerplate_text", "8"),
        ("equal_text", "11"),
        ("equal_text", "21"),
    }
    found = text_findings([str(i) for i in range(40)], fields, kinds, [{i} for i in range(40)], 0.6)
    assert ("empty_text", "39") in {(one.kind, one.product) for one in found}


def test_a_label_is_wrong_only_where_no_side_supports_it():
    """Where photo and text disagree, the pair is reported, and not the label."""
    draw = np.random.default_rng(0)
    count, names = 200, ["boot", "dress"]
    kinds = [names[i % 2] for i in range(count)]
    texts = [f"nice {kind} {i}" for i, kind in enumerate(kinds)]
    photos = np.stack([np.eye(2)[i % 2] for i in range(count)]) + 0.1 * draw.normal(size=(count, 2))
    photos = np.concatenate([photos, 0.1 * draw.normal(size=(count, 6))], axis=1).astype(np.float32)
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    labels = list(kinds)
    labels[10], texts[21] = "dress", "nice boot 21"
    listed = [(f"p{i}", f"p{i}") for i in range(count)]
    folds, words = fold_of(texts), bag_of_words(texts)
    evidence = gather(labels, photos, words, np.ones(count, bool), folds)
    assert [one.product for one in label_findings("kind", evidence, listed, np.ones(count, bool), 0.8)] == ["p10"]
    found = mismatch_findings(listed, texts, photos, None, words, {"kind": evidence}, folds, 0.8, 0)
    assert "p21" in {one.product for one in found} and len(found) <= 3


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "either a model"),
        (["--vectors", "gone.parquet"], "gone.parquet"),
        (["--vectors", "VECTORS", "--labels", "price"], "price"),
        (["--vectors", "VECTORS", "--thresholds.label", "2"], "thresholds.label"),
        (["--vectors", "VECTORS", "--shown", "0"], "shown"),
        (["--vectors", "VECTORS", "--out", "FILE/report"], "cannot be written"),
    ],
)
def test_wrong_input_ends_in_one_line(shop, capsys, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    folder, _ = shop
    words = [str(folder / "vectors.parquet") if word == "VECTORS" else word for word in arguments]
    assert main(["doctor", str(folder), *words]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error


def test_vectors_of_another_catalogue_are_refused(shop, tmp_path):
    folder, _ = shop
    columns = {name: ["other"] for name in ("ids", "photos", "stamps", "titles", "texts")}
    header = Header("0" * 64, "contrastive", ("image",), "float32")
    write_vectors(tmp_path / "v.parquet", header, columns, {"image": np.ones((1, 4), np.float32)})
    with pytest.raises(UserError, match="no photo of"):
        doctor(Catalog.open(folder), out=tmp_path, vectors=tmp_path / "v.parquet", progress=False)
