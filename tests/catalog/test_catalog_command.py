import json
import zipfile

import pytest
from PIL import Image

from kaleido import __main__ as kaleido
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError


def run(*arguments):
    return kaleido.run(["catalog", *map(str, arguments)])


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (30, 40), "red").save(folder / name)
    (folder / "products.csv").write_text("sku,title,img1,img2\n1,Red dress,a.png,b.png\n2,Hat,none.png,\n")
    return folder


def columns(shop, out):
    return "import", "folder", shop, "--columns", "id=sku", "photos=img1,img2", "--out", out


def test_import_stops_or_skips(tmp_path, shop, capsys):
    out = tmp_path / "out"
    with pytest.raises(UserError, match=r"row 3: photo 'none.png' does not exist"):
        run(*columns(shop, out))
    assert not out.exists()
    assert run(*columns(shop, out), "--on-error", "skip") == 0
    assert "1 product, 2 photos" in capsys.readouterr().out
    (reject,) = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert reject["file"].endswith("products.csv") and reject["row"] == 3 and "none.png" in reject["reason"]
    assert Catalog.open(out).name == "out"


def test_import_again(tmp_path, shop, capsys):
    arguments = (*columns(shop, tmp_path / "out"), "--on-error", "skip")
    run(*arguments)
    before = (tmp_path / "out" / "catalog.json").stat().st_mtime_ns
    assert run(*arguments) == 0
    assert "there already" in capsys.readouterr().out
    assert (tmp_path / "out" / "catalog.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"made with other arguments; .*--overwrite"):
        run(*arguments, "--separators", "")
    (shop / "products.csv").write_text("sku,title,img1,img2\n3,Red dress,a.png,b.png\n")
    run(*arguments, "--overwrite")
    assert [product.id for product in Catalog.open(tmp_path / "out").products] == ["3"]
    assert not (tmp_path / "out" / "rejects.jsonl").exists()


def test_a_sample_of_the_products(tmp_path, shop, capsys):
    rows = "".join(f"{number},Hat,a.png,\n" for number in range(300))
    (shop / "products.csv").write_text("sku,title,img1,img2\n" + rows)
    found = {}
    for share in (0.1, 0.5):
        run(*columns(shop, tmp_path / str(share)), "--sample", share)
        found[share] = [product.id for product in Catalog.open(tmp_path / str(share)).products]
        assert abs(len(found[share]) - 300 * share) < 30
    assert set(found[0.1]) < set(found[0.5])
    with pytest.raises(UserError, match="made with other arguments"):
        run(*columns(shop, tmp_path / "0.5"))
    for share, message in ((0, r"in \(0, 1\]. Received: 0"), ("nan", "Received: nan"), (1e-9, "leaves none of 300")):
        with pytest.raises(UserError, match=message):
            run(*columns(shop, tmp_path / "none"), "--sample", share)
    assert not (tmp_path / "none").exists()


def test_fashion_small_takes_one_source_or_splits(tmp_path):
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("styles.csv", "id,masterCategory,subCategory,productDisplayName\n1,Apparel,Topwear,Shirt\n")
        archive.writestr("images/1.jpg", "photo")
    run("import", "fashion-small", tmp_path / "s.zip", "--out", tmp_path / "one")
    run("import", "fashion-small", "--test", tmp_path / "s.zip", "--out", tmp_path / "split")
    assert [Catalog.open(tmp_path / name).products[0].split for name in ("one", "split")] == ["", "test"]
    for arguments in ((), (tmp_path / "s.zip", "--train", tmp_path / "s.zip")):
        with pytest.raises(UserError, match="either one SOURCE, or"):
            run("import", "fashion-small", *arguments, "--out", tmp_path / "none")


def test_wrong_columns_argument(tmp_path, shop):
    for pair in ("id", "photos=a,,b"):
        with pytest.raises(UserError, match="--columns takes FIELD=COLUMN"):
            run("import", "folder", shop, "--columns", pair, "--out", tmp_path / "out")
    with pytest.raises(UserError, match="out is missing"):
        run("import", "folder", shop)
    with pytest.raises(UserError, match="--train, --test or both"):
        run("import", "fashion-gen", "--out", tmp_path / "out")


def test_show(tmp_path, shop, capsys):
    run(*columns(shop, tmp_path / "out"), "--on-error", "skip")
    assert run("show", tmp_path / "out", "--out", tmp_path / "sheet.png") == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[2:])
    assert lines["photos"].startswith("2, 2 to 2") and lines["words"].startswith("2 to 2")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > sheet.height
        assert (255, 0, 0) in {colour for _, colour in sheet.convert("RGB").getcolors(1 << 16)}


def test_show_names_the_broken_photo(tmp_path, shop):
    run(*columns(shop, tmp_path / "out"), "--on-error", "skip")
    (shop / "b.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"out, photo 'photos/b.png': photo cannot be decoded"):
        run("show", tmp_path / "out")
