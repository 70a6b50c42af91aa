"""Files of vectors: what is in them, and what a second call encodes."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from clusters import Sequential
from shops import rows_of, write_table

import kaleido
from kaleido.errors import UserError
from kaleido.search import vectors as vectors_module
from kaleido.search.encoder import model_checksum
from kaleido.search.products import TableReading, stamp_of
from kaleido.search.vectors import Vectors, embed


def test_vectors_are_those_of_the_model(shop, matcher, tmp_path):
    found = embed(shop, matcher, tmp_path / "v.parquet", dtype="float32", progress=False)
    assert (len(found), found.encoded, found.reused) == (16, 16, 0)
    assert found.ids[:3] == ["p000", "p000", "p001"] and found.titles[2] == "blue shirt number 1"
    photos = [shop.parent / name for row in rows_of(12) for name in row["photos"].split("|")]
    np.testing.assert_allclose(found.image, matcher.encode_image(photos, progress=False), atol=1e-5)
    np.testing.assert_allclose(found.text, matcher.encode_text(list(found.texts), progress=False), atol=1e-5)
    fused = matcher.embed(photos, list(found.texts), progress=False)
    np.testing.assert_allclose(found.fused, fused, atol=1e-5)
    again = Vectors.open(tmp_path / "v.parquet")
    assert again.header == found.header and again.photos == found.photos and again.stamps == found.stamps
    np.testing.assert_array_equal(again.fused, found.fused)


@contextmanager
def sequential(address, config):
    assert address in (None, "local")
    yield address and Sequential()


def test_the_tasks_of_a_cluster_give_the_bytes_of_one_process(shop, two_tower, tmp_path, monkeypatch):
    monkeypatch.setattr(vectors_module, "connected", sequential)
    monkeypatch.setattr(vectors_module, "TASK_PHOTOS", 5)
    (shop.parent / "3-0.png").write_bytes(b"no photo")
    options = {"batch_size": 4, "on_error": "skip", "progress": False}
    one = embed(shop, two_tower, tmp_path / "one.parquet", **options)
    found = embed(shop, two_tower, tmp_path / "divided.parquet", cluster="local", **options)
    assert (found.encoded, found.skipped, found.notes) == (15, one.skipped, one.notes)
    assert (tmp_path / "divided.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()
    with pytest.raises(UserError, match=r"3-0\.png"):
        embed(shop, two_tower, tmp_path / "v.parquet", cluster="local", progress=False, batch_size=4)


def test_a_node_with_another_model_is_told(shop, two_tower, tmp_path, monkeypatch):
    monkeypatch.setattr(vectors_module, "connected", sequential)
    sums = iter([model_checksum(two_tower), "another"])
    monkeypatch.setattr(vectors_module, "model_checksum", lambda _: next(sums))
    with pytest.raises(UserError, match=r"not the caller's model .* Received: another"):
        embed(shop, two_tower, tmp_path / "v.parquet", cluster="local", progress=False)


def test_a_file_that_another_process_makes_meanwhile_is_not_replaced(shop, two_tower, matcher, tmp_path, monkeypatch):
    out, real = tmp_path / "v.parquet", vectors_module.folder_locked

    def other_first(*arguments):
        monkeypatch.setattr(vectors_module, "folder_locked", real)
        embed(shop, matcher, out, progress=False)
        return real(*arguments)

    monkeypatch.setattr(vectors_module, "folder_locked", other_first)
    with pytest.raises(UserError, match="it holds vectors of another model"):
        embed(shop, two_tower, out, progress=False)
    assert Vectors.open(out).header.model == model_checksum(matcher)


def test_other_programs_read_the_file(shop, two_tower, tmp_path):
    from pyarrow import parquet

    embed(shop, two_tower, tmp_path / "v.parquet", progress=False)
    table = parquet.read_table(tmp_path / "v.parquet")
    assert table.column_names == ["id", "photo", "stamp", "title", "product_text", "image", "text"]
    assert table.schema.field("image").type.value_type == "halffloat"
    assert len(table["image"][0].as_py()) == 256


def test_a_second_call_encodes_new_and_changed_photos_alone(shop, two_tower, tmp_path, monkeypatch):
    out = tmp_path / "v.parquet"
    before = embed(shop, two_tower, out, progress=False)
    rows = rows_of(13)
    rows[1]["title"] = "green hat"  # the text alone
    del rows[2]
    (shop.parent / "3-0.png").write_bytes((shop.parent / "4-0.png").read_bytes())  # the photo alone
    write_table(shop.parent, rows)
    read = []
    monkeypatch.setattr(type(two_tower._processor.extractor), "extract", _counting(two_tower, read))
    after = embed(shop, two_tower, out, progress=False)
    assert sorted(name.rsplit("/")[-1] for name in read) == ["12-0.png", "12-1.png", "3-0.png"]
    assert (after.encoded, after.reused) == (3, 14)
    kept = {photo: row for row, photo in enumerate(after.photos)}
    assert "p002-1" not in kept and "p012-2" in kept
    row = kept["p001-1"]
    np.testing.assert_array_equal(after.image[row], before.image[before.photos.index("p001-1")])
    np.testing.assert_allclose(after.text[row], two_tower.encode_text("green hat", progress=False)[0], atol=1e-3)
    np.testing.assert_allclose(after.image[kept["p003-1"]], after.image[kept["p004-1"]], atol=1e-3)


def _counting(model, read):
    extract = type(model._processor.extractor).extract

    def counted(self, items):
        def noted():
            for item in items:
                read.append(item[0])
                yield item

        return extract(self, noted())

    return counted


def test_a_changed_text_changes_the_fused_vector(shop, matcher, tmp_path):
    before = embed(shop, matcher, tmp_path / "v.parquet", progress=False)
    rows = rows_of(12)
    rows[1]["title"] = "green hat"
    write_table(shop.parent, rows)
    after = embed(shop, matcher, tmp_path / "v.parquet", progress=False)
    assert after.encoded == 1
    assert np.abs(after.fused[2] - before.fused[2]).max() > 0.01
    np.testing.assert_array_equal(after.fused[3:], before.fused[3:])


KILLED = """
import os, sys
import numpy as np
import kaleido
from kaleido.search import vectors
vectors.PART_PHOTOS = 4
write, parts = vectors.write_vectors, []
def counted(*arguments):
    write(*arguments)
    parts.append(1)
    if len(parts) == 2:
        os.kill(os.getpid(), 9)
vectors.write_vectors = counted
kaleido.embed(sys.argv[1], sys.argv[2], sys.argv[3], batch_size=4, progress=False)
"""


def test_a_killed_call_is_continued(shop, model_folders, tmp_path):
    out = tmp_path / "v.parquet"
    command = [sys.executable, "-c", KILLED, str(shop), str(model_folders["contrastive"]), str(out)]
    assert subprocess.run(command, capture_output=True).returncode == -9
    assert not out.exists()
    found = embed(shop, model_folders["contrastive"], out, progress=False)
    assert (found.encoded, found.reused) == (8, 8)
    whole = embed(shop, model_folders["contrastive"], tmp_path / "whole.parquet", progress=False)
    np.testing.assert_allclose(found.image, whole.image, atol=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop", "v.parquet", "whole.parquet"]


def test_what_was_encoded_before_an_unreadable_photo_is_kept(shop, two_tower, tmp_path):
    content = (shop.parent / "9-1.png").read_bytes()
    (shop.parent / "9-1.png").write_bytes(b"no photo")
    with pytest.raises(kaleido.UserError, match="9-1"):
        embed(shop, two_tower, tmp_path / "v.parquet", batch_size=4, progress=False)
    (shop.parent / "9-1.png").write_bytes(content)
    assert embed(shop, two_tower, tmp_path / "v.parquet", progress=False).reused == 12


def test_two_processes_do_not_write_one_file(shop, two_tower, tmp_path, monkeypatch):
    def second(*arguments):
        with ThreadPoolExecutor(1) as other, pytest.raises(kaleido.UserError, match=r"v\.parquet: another process"):
            other.submit(embed, shop, two_tower, tmp_path / "v.parquet", progress=False).result()
        return write(*arguments)

    write = vectors_module.write_vectors
    monkeypatch.setattr(vectors_module, "write_vectors", second)
    assert len(embed(shop, two_tower, tmp_path / "v.parquet", progress=False)) == 16


def test_folders_and_catalogues(shop, two_tower, tmp_path):
    folder = embed(shop.parent, two_tower, tmp_path / "folder.parquet", progress=False)
    assert folder.ids[:2] == ["0-0.png", "0-1.png"] and np.isnan(folder.text).all()
    assert any("without a text" in note for note in folder.notes)
    catalog = kaleido.Catalog.from_table(shop, tmp_path / "catalog")
    found = embed(catalog, two_tower, tmp_path / "catalog.parquet", progress=False)
    table = embed(shop, two_tower, tmp_path / "table.parquet", progress=False)
    assert found.photos == table.photos and found.stamps == table.stamps
    np.testing.assert_array_equal(found.image, table.image)


def test_what_cannot_be_used_is_told(shop, two_tower, matcher, model_folders, tmp_path):
    out = tmp_path / "v.parquet"
    embed(shop, two_tower, out, progress=False)
    content = out.read_bytes()
    for wrong, message in (
        (lambda: embed(shop, matcher, out, progress=False), "another model"),
        (lambda: embed(shop, two_tower, out, kinds=("image",), progress=False), "the kinds image, text"),
        (lambda: embed(shop, two_tower, out, dtype="float32", progress=False), "float16"),
        (lambda: embed(shop, two_tower, tmp_path / "v.csv", progress=False), "ends in .parquet"),
        (lambda: embed(shop, two_tower, tmp_path / "w.parquet", kinds=("fused",), progress=False), "image, text"),
        (lambda: embed(tmp_path / "none", two_tower, tmp_path / "w.parquet", progress=False), "does not exist"),
        (lambda: embed(shop.parent, two_tower, out, reading=TableReading({"id": "a"}), progress=False), "go with a"),
        (lambda: Vectors.open(shop), "not a file of vectors"),
        (lambda: Vectors.open(tmp_path / "none.parquet"), "kaleido embed"),
    ):
        with pytest.raises(kaleido.UserError, match=message) as raised:
            wrong()
        assert "\n" not in str(raised.value)
    assert out.read_bytes() == content
    (shop.parent / "1-0.png").write_bytes(b"no photo")
    with pytest.raises(kaleido.UserError, match=r"1-0\.png.*on-error skip"):
        embed(shop, two_tower, out, progress=False)
    left = embed(shop, two_tower, out, on_error="skip", progress=False)
    assert len(left) == 15 and "1-0.png" in left.skipped[0]


def test_a_file_keeps_its_kinds_and_precision(shop, matcher, tmp_path):
    embed(shop, matcher, tmp_path / "v.parquet", kinds=("image", "fused"), dtype="float32", progress=False)
    again = embed(shop, matcher, tmp_path / "v.parquet", progress=False)
    assert (again.header.kinds, again.header.dtype, again.encoded) == (("image", "fused"), "float32", 0)
    other = embed(shop, matcher, tmp_path / "v.parquet", kinds=("text",), overwrite=True, progress=False)
    assert (other.header.kinds, other.header.dtype, other.image) == (("text",), "float16", None)


def test_a_damaged_file_is_told(shop, two_tower, tmp_path):
    out = tmp_path / "v.parquet"
    embed(shop, two_tower, out, progress=False)
    out.write_bytes(out.read_bytes()[:-300])
    with pytest.raises(kaleido.UserError, match="damaged"):
        Vectors.open(out)


def test_stamps_are_of_the_content():
    pixels = np.zeros((2, 6, 3), np.uint8)
    assert stamp_of(b"a") != stamp_of(b"b")
    assert stamp_of(pixels) != stamp_of(pixels.reshape(6, 2, 3))


def test_features_come_from_the_records_of_the_catalogue(shop, matcher, tmp_path, monkeypatch):
    catalog = kaleido.Catalog.from_table(shop, tmp_path / "catalog")
    photos = matcher.config["processor"]["photos"]
    kaleido.prepare(catalog, tmp_path / "records", progress=False, vocabulary=str(matcher.directory), **photos)
    whole = embed(catalog, matcher, tmp_path / "photos.parquet", dtype="float32", progress=False)
    extractor = type(matcher._processor.extractor)
    monkeypatch.setattr(extractor, "extract", lambda self, items: iter([*map(pytest.fail, items)]))
    found = embed(
        catalog, matcher, tmp_path / "v.parquet", dtype="float32", records=tmp_path / "records", progress=False
    )
    assert found.photos == whole.photos and found.stamps == whole.stamps and found.encoded == len(whole)
    for kind in ("image", "text", "fused"):
        np.testing.assert_allclose(getattr(found, kind), getattr(whole, kind), atol=2e-3, err_msg=kind)
    other = kaleido.Catalog.from_table(write_table(shop.parent, rows_of(5)), tmp_path / "other", overwrite=True)
    with pytest.raises(kaleido.UserError, match="records of other products"):
        embed(other, matcher, tmp_path / "o.parquet", records=tmp_path / "records", progress=False)
