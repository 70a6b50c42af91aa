import json
import threading
import zipfile

import h5py
import numpy as np
import pytest

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.files import is_finished, write_catalog
from kaleido.catalog.product import Part, Photo, Product
from kaleido.catalog.sources import FolderSource, Hdf5Source, ZipSource
from kaleido.errors import UserError


def product(identifier="a", **changes):
    values = {"title": "Red dress", "photos": (Photo(f"{identifier}-1", f"photos/{identifier}.jpg"),)} | changes
    return Product(id=identifier, **values)


def photo_folder(path, *names):
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).write_bytes(f"photo {name}".encode())
    return FolderSource(path)


def write(directory, products, **sources):
    write_catalog(directory, "test", "folder", sources, products, {"source": "x"})
    return Catalog.open(directory)


def test_products_come_back_as_they_were_and_sorted(tmp_path):
    photo = Photo(
        "b-1", "photos/b.jpg", "front", "masks/b.png", (0.0, 1.0, 2.5, 4.0), (Part("hem", ("long",), (0, 1, 2, 3)),)
    )
    full = product(
        "b",
        photos=(photo,),
        description='With a "pocket"\nand é.',
        category="dresses",
        split="test",
        attributes={"k": "v"},
    )
    catalog = write(tmp_path, [full, product("a")], photos=photo_folder(tmp_path / "photos", "a.jpg", "b.jpg"))
    assert catalog.products == (product("a"), full)
    assert (catalog.name, catalog.kind, catalog.photo_count) == ("test", "folder", 2)


def test_folder_inside_the_catalogue_moves_with_it(tmp_path):
    before = write(tmp_path / "old", [product()], photos=photo_folder(tmp_path / "old" / "photos", "a.jpg"))
    (tmp_path / "old").rename(tmp_path / "new")
    after = Catalog.open(tmp_path / "new")
    assert after.read("photos/a.jpg") == b"photo a.jpg"
    assert before.products == after.products


def test_moved_source_is_named(tmp_path):
    write(tmp_path / "catalog", [product()], photos=photo_folder(tmp_path / "pictures", "a.jpg"))
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"pictures, the source 'photos' .* is gone; .*`sources` in catalog.json"):
        Catalog.open(tmp_path / "catalog")


def test_fingerprint_follows_content_and_not_place(tmp_path):
    first = write(tmp_path / "1", [product()], photos=photo_folder(tmp_path / "p", "a.jpg")).fingerprint
    second = write(tmp_path / "2", [product()], photos=photo_folder(tmp_path / "q", "a.jpg")).fingerprint
    assert first == second and len(first) == 64
    (tmp_path / "q" / "a.jpg").write_bytes(b"another photo")
    assert Catalog.open(tmp_path / "2").fingerprint != first
    assert write(tmp_path / "3", [product(title="x")], photos=FolderSource(tmp_path / "p")).fingerprint != first


@pytest.mark.parametrize(
    ("products", "message"),
    [
        ([], "no product"),
        ([product(), product(photos=(Photo("other", "photos/a.jpg"),))], "'a' needs an id"),
        ([product(photos=())], "no photo"),
        ([product(title=" ")], "neither a title nor a description"),
        ([product(split="val")], "'val'"),
        ([product(), product("b", photos=(Photo("a-1", "photos/b.jpg"),))], "'b' has a photo whose id"),
        ([product(photos=(Photo("x", "photos/1"), Photo("x", "photos/2")))], "whose id another"),
    ],
)
def test_wrong_products_are_not_written(tmp_path, products, message):
    with pytest.raises(UserError, match=message):
        write_catalog(tmp_path / "out", "n", "folder", {}, products, {})
    assert not (tmp_path / "out").exists()


def test_finished_catalogue_is_recognised_by_its_arguments(tmp_path):
    arguments = {"source": "x"}
    assert not is_finished(tmp_path, arguments)
    write(tmp_path, [product()], photos=photo_folder(tmp_path / "photos", "a.jpg"))
    assert is_finished(tmp_path, arguments)
    assert not is_finished(tmp_path, {"source": "y"}, overwrite=True)
    with pytest.raises(UserError, match="--overwrite"):
        is_finished(tmp_path, {"source": "y"})


def test_a_table_of_the_same_name_is_not_overwritten(tmp_path):
    (tmp_path / "products.jsonl").write_text("{}")
    with pytest.raises(UserError, match="belongs to no finished catalogue"):
        is_finished(tmp_path, {}, overwrite=True)


def damage_nothing_there(directory):
    (directory / "catalog.json").unlink()


def damage_header(directory):
    (directory / "catalog.json").write_text("{")


def damage_format(directory):
    (directory / "catalog.json").write_text('{"format": 99}')


def damage_line(directory):
    (directory / "products.jsonl").write_text('{"id": "a", "photos": 1}\n')


def damage_photos(directory):
    (directory / "products.jsonl").write_text('{"id": "a", "title": "A"}\n')


def damage_length(directory):
    (directory / "products.jsonl").write_text("")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_nothing_there, "no finished catalogue"),
        (damage_header, "catalog.json cannot be read"),
        (damage_format, "not of format 1"),
        (damage_line, r"products.jsonl, row 1: is not a product: photos: "),
        (damage_photos, r"products.jsonl: Product 'a' has no photo. Import again"),
        (damage_length, "has 0 products and catalog.json says 1"),
    ],
)
def test_damaged_catalogue(tmp_path, damage, message):
    write(tmp_path, [product()], photos=photo_folder(tmp_path / "photos", "a.jpg"))
    damage(tmp_path)
    with pytest.raises(UserError, match=message):
        Catalog.open(tmp_path)


def make_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_zip_is_read_from_many_threads(tmp_path):
    contents = {f"{n}.jpg": np.random.default_rng(n).bytes(5000) for n in range(40)}
    catalog = write(tmp_path, [product()], photos=ZipSource(make_zip(tmp_path / "p.zip", contents)))
    wrong = []

    def read_all():
        wrong.extend(name for name in contents if catalog.read(f"photos/{name}") != contents[name])

    threads = [threading.Thread(target=read_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_hdf5_rows(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["input_image"] = images
    photos = (Photo("1", "photos/2"),)
    catalog = write(tmp_path, [product(photos=photos)], photos=Hdf5Source(tmp_path / "p.h5"))
    row = catalog.read("photos/2")
    assert row.dtype == np.uint8
    np.testing.assert_array_equal(row, images[2])
    for uri in ("photos/3", "photos/-1", "photos/x"):
        with pytest.raises(UserError, match="no row"):
            catalog.read(uri)
    assert catalog.fingerprint == Catalog.open(tmp_path).fingerprint


def test_uris_do_not_lead_out(tmp_path):
    (tmp_path / "secret").write_text("secret")
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    make_zip(tmp_path / "p.zip", {"../secret": "x", "/secret": "x", link: "../secret", "empty": "", "d/": ""})
    sources = {"folder": photo_folder(tmp_path / "photos"), "zip": ZipSource(tmp_path / "p.zip")}
    catalog = write(tmp_path / "catalog", [product()], **sources)
    refusals = {
        "folder/../secret": "leads out",
        f"folder/{tmp_path}/secret": "leads out",
        "folder/": "not a file",
        "folder/none": "does not exist",
        "zip/../secret": "leads out",
        "zip//secret": "leads out",
        "zip/link": "symbolic link",
        "zip/empty": "empty file",
        "zip/d/": "not a file",
        "zip/none": "does not exist",
        "other/x": "no source 'other'",
    }
    for uri, message in refusals.items():
        with pytest.raises(UserError, match=message):
            catalog.read(uri)


def test_damaged_zips(tmp_path):
    whole = make_zip(tmp_path / "whole.zip", {"a.jpg": bytes(2000), "b.jpg": bytes(2000)}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:3000])
    with pytest.raises(UserError, match=r"cut.zip is not a zip file, or is incomplete"):
        ZipSource(tmp_path / "cut.zip")
    (tmp_path / "flipped.zip").write_bytes(whole[:1000] + b"\1" + whole[1001:])
    with pytest.raises(UserError, match=r"flipped.zip: 'a.jpg' cannot be read"):
        ZipSource(tmp_path / "flipped.zip").read("a.jpg")


def test_catalog_json_says_what_the_design_says(tmp_path):
    write(tmp_path / "c", [product()], photos=photo_folder(tmp_path / "c" / "photos", "a.jpg"))
    assert json.loads((tmp_path / "c" / "catalog.json").read_text()) == {
        "format": 1,
        "name": "test",
        "kind": "folder",
        "sources": {"photos": {"kind": "folder", "path": "photos"}},
        "products": 1,
        "photos": 1,
        "importer": {"source": "x"},
    }
