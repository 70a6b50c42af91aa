"""Labels from free text: which are given, and how a threshold is calibrated."""

import csv
import io

import numpy as np
import pytest
from shops import rows_of, write_table

import kaleido
from kaleido.search.tags import Tagger, read_labels, tag
from kaleido.search.vectors import Vectors, embed

LABELS = ["red dress", "blue shirt", "green hat"]


def test_the_most_similar_labels_are_given(shop, two_tower, tmp_path):
    found = tag(shop, LABELS, two_tower, top=2, vectors=tmp_path / "v.parquet", progress=False)
    cosines = Vectors.open(tmp_path / "v.parquet").image.astype(np.float32) @ two_tower.encode_text(LABELS).T
    for row, given in zip(cosines, found.found, strict=True):
        best = np.argsort(-row)[:2]
        assert [label for label, _ in given] == [LABELS[place] for place in best]
        np.testing.assert_allclose([score for _, score in given], row[best], atol=1e-5)
    assert found.calibration is None and "no threshold" in found.notes[-1]
    rows = list(csv.DictReader(io.StringIO(found.csv().decode())))
    assert rows[0]["id"] == "p000" and set(rows[0]["labels"].split("|")) <= set(LABELS) and len(rows) == 16
    above = tag(shop, LABELS, two_tower, threshold=float(np.median(cosines)), top=3, progress=False)
    assert 0 < sum(map(len, above.found)) < 3 * 16


def test_prompts_are_averaged(two_tower):
    vectors = two_tower.encode_text(["red hat", "blue hat", "red shoe", "blue shoe"])
    tagger = Tagger(two_tower, ["hat", "shoe"], ["red {label}", "blue {label}"])
    mean = vectors[:2].mean(axis=0)
    np.testing.assert_allclose(tagger.vectors[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_a_threshold_is_calibrated_on_labelled_products_outside_of_the_test_split(shop, two_tower, tmp_path):
    rows = rows_of(12)
    for number, row in enumerate(rows):
        row["split"] = ("train", "validation", "test")[number % 3]
        row["category"] = "" if number == 4 else row["category"]
    table = write_table(shop.parent, rows)
    vectors = embed(table, two_tower, tmp_path / "v.parquet", dtype="float32", progress=False)
    found = tag(table, None, two_tower, column="category", vectors=tmp_path / "v32.parquet", progress=False)
    assert list(found.labels) == ["dress", "hat", "shirt", "shoe"]
    tagger = Tagger(two_tower, found.labels)
    own = {row["id"]: row["category"] for row in rows if row["split"] != "test" and row["category"]}
    used = [place for place, name in enumerate(vectors.ids) if name in own]
    scores = tagger.scores(vectors.image[used])
    best, truth = scores.max(axis=1), [found.labels.index(own[vectors.ids[place]]) for place in used]
    right = scores.argmax(axis=1) == truth

    def f1(threshold):
        given = best >= threshold
        return 2 * (right & given).sum() / (given.sum() + len(used))

    calibration = found.calibration
    assert (calibration.photos, calibration.splits) == (len(used), ("train", "validation"))
    assert calibration.accuracy == pytest.approx(right.mean())
    assert f1(calibration.threshold - 1e-3) == pytest.approx(max(map(f1, best)), abs=1e-6)
    # What the test products' labels are changes nothing.
    for row in rows:
        row["category"] = "dress" if row["split"] == "test" else row["category"]
    again = tag(write_table(shop.parent, rows), found.labels, two_tower, column="category", progress=False)
    assert again.calibration.threshold == pytest.approx(calibration.threshold, abs=2e-3)


def test_labels_of_a_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\ufeff# sleeves\nlong sleeves\n\n short sleeves \nlong sleeves\n", encoding="utf-8")
    assert read_labels(path) == ["long sleeves", "short sleeves"]


def test_wrong_use_is_told_in_a_line(shop, two_tower, model_folders, tmp_path):
    (tmp_path / "empty.txt").write_text("\n# nothing\n")
    rows = rows_of(3)
    for row in rows:
        row["split"] = "test"
    tested = write_table(shop.parent / "tested", rows)
    for wrong, message in (
        (lambda: tag(shop, [], two_tower, progress=False), "from 1 to"),
        (lambda: tag(shop, ["a", " a"], two_tower, progress=False), "different"),
        (lambda: tag(shop, ["a", ""], two_tower, progress=False), "not empty"),
        (lambda: tag(shop, None, two_tower, progress=False), "give labels"),
        (lambda: tag(shop, None, two_tower, column="colur", progress=False), "nearest is 'Colour'"),
        (lambda: tag(shop, ["a"], two_tower, prompts=["photo"], progress=False), "must have {label}"),
        (lambda: tag(shop, ["a"], model_folders["category"], progress=False), "has no encode_text"),
        (lambda: tag(shop, ["a"], two_tower, top=0, progress=False), "top must be"),
        (lambda: tag(tested, None, two_tower, column="category", progress=False), "outside of the test split"),
        (lambda: read_labels(tmp_path / "none.txt"), "No such file"),
        (lambda: read_labels(tmp_path / "empty.txt"), "no label"),
    ):
        with pytest.raises(kaleido.UserError, match=message) as raised:
            wrong()
        assert "\n" not in str(raised.value)
