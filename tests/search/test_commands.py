"""The commands embed, index, search and tag: what they write and print, and one line where they cannot."""

import json

import pytest
from PIL import Image
from shops import rows_of, write_table

from kaleido.__main__ import main


@pytest.fixture
def run(capsys):
    """`run(*arguments)`: exit code, and what was printed to either stream."""

    def apply(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return apply


def test_a_shop_is_indexed_and_searched(shop, model_folders, run, tmp_path):
    index = tmp_path / "index"
    code, out, err = run("index", shop, "--model", model_folders["retrieval"], "--out", index)
    assert code == 0 and "12 products; photos: 16 added" in out
    assert "read id from 'id'" in err
    code, out, _ = run("search", index, "red dress", "--where", "price < 30", "--top", 3, "--rerank", 2)
    lines = out.splitlines()
    assert code == 0 and len(lines) == 4 and lines[0].split()[:4] == ["score", "match", "id", "title"]
    sheet = tmp_path / "hits.png"
    code, out, _ = run("search", index, "--photo", shop.parent / "5-0.png", "--format", "jsonl", "--out", sheet)
    hits = [json.loads(line) for line in out.splitlines()]
    assert [hit["rank"] for hit in hits] == list(range(1, 13)) and hits[0]["id"] == "p005"
    assert Image.open(sheet).size[0] > 800
    assert run("search", index, "--similar", "p005", "--out", tmp_path / "hits.html")[0] == 0
    page = (tmp_path / "hits.html").read_text()
    assert page.count("<img") == 11 and "price: 0.5" in page and "p005</small>" not in page
    assert run("search", index, "hat", "red", "--out", tmp_path / "hits.jsonl")[0] == 2
    code, out, err = run("search", index, "hat", "--where", "price > 1000")
    assert (code, out) == (0, "") and "no product passes the filter" in err
    assert run("search", index, "red платье")[2].startswith("kaleido search: some words have characters")


def test_an_index_is_brought_up_to_date(shop, model_folders, run, tmp_path):
    index = tmp_path / "index"
    run("index", shop, "--model", model_folders["contrastive"], "--out", index)
    table = write_table(shop.parent, rows_of(14)[12:])
    assert "14 products; photos: 3 added, 0 changed, 0 removed" in run("index", table, "--out", index, "--keep")[1]
    assert "13 products" in run("index", "--remove", "p003", "--out", index)[1]
    assert "2 products; photos: 0 added, 0 changed, 14 removed" in run("index", table, "--out", index)[1]


def test_vectors_and_tags_are_written(shop, model_folders, run, tmp_path):
    vectors, model = tmp_path / "v.parquet", model_folders["contrastive"]
    code, out, _ = run("embed", shop, "--model", model, "--out", vectors, "--dtype", "float32")
    assert code == 0 and "16 photos (16 encoded, 0 there already): image 256, text 256, float32" in out
    (tmp_path / "labels.txt").write_text("red dress\nblue hat\n")
    options = ["--model", model, "--out", tmp_path / "tags.jsonl"]
    code, out, err = run("tag", shop, "--labels", tmp_path / "labels.txt", "--top", 2, *options)
    rows = [json.loads(line) for line in (tmp_path / "tags.jsonl").read_text().splitlines()]
    assert code == 0 and len(rows) == 16 and sorted(rows[0]["labels"]) == ["blue hat", "red dress"]
    assert "no threshold" in err
    code, out, _ = run("tag", shop, "--column", "category", *options)
    assert code == 0 and out.startswith("threshold ") and "photos are given labels" in out


def test_wrong_use_ends_in_one_line(shop, built, model_folders, run, tmp_path):
    table, index = built
    model = model_folders["contrastive"]
    (tmp_path / "file").write_text("")
    for arguments, message in (
        (("search", index), "nothing to search for"),
        (("search", index, ""), "empty text"),
        (("search", index, " "), "nothing to search for"),
        (("search", index, "hat", "--top", 1_000_000), "top"),
        (("search", index, "платье"), "language"),
        (("search", index, "hat", "--where", "prize < 3"), "nearest is 'price'"),
        (("search", index, "hat", "--where", "price <"), "where a value is expected"),
        (("search", index, "hat", "--photo", tmp_path / "none.jpg"), "No such file"),
        (("search", index, "hat", "--photo", tmp_path / "file"), "file: photo cannot be decoded"),
        (("search", index, "hat", "--model", model), "another model made this index"),
        (("search", index, "hat", "--out", tmp_path / "hits.gif"), ".png, .html, .jsonl"),
        (("search", index, "hat", "--similar", "p001"), "--similar takes neither"),
        (("search", tmp_path / "none", "hat"), "no index here"),
        (("index", table, "--out", tmp_path / "new"), "needs --model"),
        (("index", "--out", index), "neither"),
        (("index", table, "--out", index, "--model", model), "another model made this index"),
        (("index", table, "--out", tmp_path / "file" / "x", "--model", model), "file/x"),
        (("index", table, "--out", tmp_path / "new", "--model", model, "--photo-root", "none"), "photo-root"),
        (("index", tmp_path / "none", "--out", tmp_path / "new", "--model", model), "does not exist"),
        (("index", "--remove", "p9", "--out", index), "no product of this id"),
        (("embed", table, "--model", model, "--out", tmp_path / "v.csv"), "ends in .parquet"),
        (("embed", table, "--model", model, "--out", tmp_path / "v.parquet", "--kinds", "fused"), "image, text"),
        (("embed", table, "--model", model_folders["category"] / "none", "--out", tmp_path / "v.parquet"), "model"),
        (("tag", table, "--model", model, "--out", tmp_path / "t.csv"), "neither"),
        (("tag", table, "--model", model, "--labels", tmp_path / "none", "--out", tmp_path / "t.csv"), "No such file"),
    ):
        code, out, err = run(*arguments)
        lines = [line for line in err.splitlines() if line.startswith(f"kaleido {arguments[0]}: ")]
        assert code == 2 and message in lines[-1] and out == "", (arguments, err)
        assert "Traceback" not in err
    assert not (tmp_path / "new").exists() or not any((tmp_path / "new").iterdir())
