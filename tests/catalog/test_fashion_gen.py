import h5py
import numpy as np
import pytest

from kaleido.catalog import fashion_gen
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.fashion_gen import import_fashion_gen
from kaleido.catalog.files import write_catalog
from kaleido.catalog.rejects import Rejects
from kaleido.errors import UserError

ROWS = {
    "input_name": "Robe d'été",
    "input_description": "Long dress.",
    "input_concat_description": "Robe d'été Long dress.",
    "input_category": "DRESSES",
    "input_subcategory": "LONG DRESSES",
    "input_brand": "Brand",
    "input_composition": "Silk",
    "input_department": "CLOTHING",
    "input_gender": "Women",
    "input_season": "SS2015",
    "input_pose": "front",
}


def write_file(path, product_ids, encoding="latin-1", **changes):
    count = len(product_ids)
    with h5py.File(path, "w") as file:
        images = np.arange(count, dtype=np.uint8)[:, None, None, None]
        file["input_image"] = np.broadcast_to(images, (count, 8, 8, 3))
        file["input_productID"] = np.array(product_ids, dtype=np.int32)[:, None]
        file["input_msrpUSD"] = np.full((count, 1), 9.5)
        file["index"] = np.arange(count)[:, None]
        for name, text in ROWS.items():
            cells = changes.get(name, [text.encode(encoding)] * count)
            if cells is not None:
                file[name] = np.array(cells, dtype="S60")[:, None]
    return path


def test_rows_become_products(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_gen, "ROWS_AT_ONCE", 2)
    train = write_file(
        tmp_path / "train.h5", [5, 6, 5, 5, 6], input_pose=[b"front", b"front", b"back", b"zoom", b"back"]
    )
    test = write_file(tmp_path / "validation.h5", [9], encoding="utf-8")
    rejects = Rejects()
    imported = import_fashion_gen({"train": train, "test": test}, rejects)
    write_catalog(tmp_path / "out", "gen", "fashion-gen", imported.sources, imported.products, {})
    catalog = Catalog.open(tmp_path / "out")
    five, six, nine = catalog.products
    assert [(photo.id, photo.uri, photo.view) for photo in five.photos] == [
        ("5-1", "train/0", "front"),
        ("5-2", "train/2", "back"),
        ("5-3", "train/3", "zoom"),
    ]
    assert [product.split for product in (five, six, nine)] == ["train", "train", "test"]
    assert five.title == nine.title == "Robe d'été"
    assert (five.description, five.category, five.subcategory) == ("Long dress.", "DRESSES", "LONG DRESSES")
    assert five.attributes["composition"] == "Silk" and catalog.photo_count == 6
    assert (catalog.read("train/3") == 3).all()


def test_bytes_that_latin_1_and_windows_write(tmp_path):
    names = [b"l\x92\xe9t\xe9", b"\x81\xe9", "l’été".encode()]
    train = write_file(tmp_path / "train.h5", [1, 2, 3], input_name=names)
    products = import_fashion_gen({"train": train}, Rejects()).products
    assert [product.title for product in products] == ["l’été", "é", "l’été"]


def test_product_in_both_files(tmp_path):
    paths = {"train": write_file(tmp_path / "t.h5", [1, 2]), "test": write_file(tmp_path / "v.h5", [3, 2])}
    with pytest.raises(UserError, match=r"v.h5, row 1: product '2' is also in .*t.h5"):
        import_fashion_gen(paths, Rejects())


def test_row_without_text(tmp_path):
    changes = {"input_name": [b"x", b""], "input_description": [b"", b" "]}
    train = write_file(tmp_path / "t.h5", [1, 2], **changes)
    rejects = Rejects("skip")
    assert [product.id for product in import_fashion_gen({"train": train}, rejects).products] == ["1"]
    assert [(reject.row, "product '2' has neither" in reject.reason) for reject in rejects.rows] == [(1, True)]


def test_wrong_files(tmp_path):
    whole = write_file(tmp_path / "whole.h5", [1], input_name=None)
    with pytest.raises(UserError, match=r"whole.h5 has no column 'input_name'"):
        import_fashion_gen({"train": whole}, Rejects())
    (tmp_path / "cut.h5").write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(UserError, match="not an HDF5 file, or is incomplete"):
        import_fashion_gen({"train": tmp_path / "cut.h5"}, Rejects())
    with pytest.raises(UserError, match=r"none.h5 does not exist"):
        import_fashion_gen({"train": tmp_path / "none.h5"}, Rejects())
    with h5py.File(tmp_path / "float.h5", "w") as file:
        file["input_image"] = np.zeros((1, 8, 8, 3))
    with pytest.raises(UserError, match=r"must be uint8 \[N, H, W, 3\]. Received: float64 \[1, 8, 8, 3\]"):
        import_fashion_gen({"train": tmp_path / "float.h5"}, Rejects())
    uneven = write_file(tmp_path / "uneven.h5", [1, 2], input_pose=[b"front"])
    with pytest.raises(UserError, match=r"input_pose must have .* rows, 2; .* Received: \[1, 1\]"):
        import_fashion_gen({"train": uneven}, Rejects())


def test_markup_and_missing_values(tmp_path):
    names = [b"<p>Wool&nbsp;coat</p>", b"Hat"]
    paths = {
        "train": write_file(tmp_path / "t.h5", [1, 2], input_name=names, input_category=[b"NULL", b"Hats\nand caps"])
    }
    first, second = import_fashion_gen(paths, Rejects()).products
    assert (first.title, first.category, second.category) == ("Wool coat", "", "Hats and caps")
