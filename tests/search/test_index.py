"""Indexes: what is found, how they follow a catalogue, and what is said of wrong use."""

import dataclasses
import io
import shutil
import time

import numpy as np
import pytest
from PIL import Image
from shops import rows_of, write_table

import kaleido
from kaleido.search.index import Index
from kaleido.search.store import Store
from kaleido.search.vectors import embed


def scores_of(vectors, query, ids):
    """Products with the cosine of their most similar photo, exactly."""
    found = {}
    for name, score in zip(ids, vectors.astype(np.float32) @ query):
        found[name] = max(found.get(name, -2), score)
    return found


def check(hits, expected):
    """Hits have their products' scores and are the best of them, up to the rounding of float16."""
    assert len({hit.id for hit in hits}) == len(hits)
    np.testing.assert_allclose([hit.score for hit in hits], [expected[hit.id] for hit in hits], atol=2e-3)
    best = sorted(expected.values(), reverse=True)[: len(hits)]
    np.testing.assert_allclose([hit.score for hit in hits], best, atol=2e-3)


@pytest.fixture(scope="module")
def index(built, matcher):
    return Index.open(built[1], matcher)


@pytest.fixture(scope="module")
def exact(built, matcher, tmp_path_factory):
    return embed(built[0], matcher, tmp_path_factory.mktemp("exact") / "v.parquet", progress=False)


def test_search_is_exact_and_gives_each_product_once(index, exact, built):
    photo = built[0].parent / "5-0.png"
    for text, picture in (("red dress", None), (None, photo), ("in blue", photo)):
        hits = index.search(text, picture, top=12)
        query = index.encode(text, picture)
        check(hits, scores_of(exact.image, query, exact.ids))
        assert len(hits) == 12 and np.isclose(np.linalg.norm(query), 1)
    assert index.search(photo=photo, top=1)[0].id == "p005"
    assert index.search(photo=Image.open(photo), top=1)[0].score > 0.999
    assert index.search(photo=photo.read_bytes(), top=1)[0].photo == "p005-1"


def test_filters_and_columns(index):
    columns = {column.name: column for column in index.columns}
    assert list(columns) == ["id", "title", "category", "Colour", "price"]
    assert columns["Colour"].values == {"red": 4, "blue": 4, "green": 4}
    assert (columns["price"].kind, columns["price"].least, columns["price"].largest) == ("number", 0.5, 55.5)
    hits = index.search("hat", where="colour = 'red' and price < 40", top=12)
    assert {hit.id for hit in hits} == {"p000", "p003", "p006"}
    assert hits[0].fields["Colour"] == "red" and hits[0].fields["price"] < 40
    assert index.search("hat", where="title like '%number 7'")[0].id == "p007"
    assert index.search("hat", where="price > 1000") == []
    assert [hit.id for hit in index.search("hat", where="id in ('p001')")] == ["p001"]


def test_similar_products_and_entries(index, exact):
    hits = index.similar("p003", top=3)
    mine = np.array(exact.ids) == "p003"
    query = exact.image[mine].astype(np.float32).mean(axis=0)
    expected = scores_of(exact.image, query / np.linalg.norm(query), exact.ids)
    del expected["p003"]
    check(hits, expected)
    entry = index.get("p003")
    assert entry.photos == ("p003-1", "p003-2") and entry.title == "red shoe number 3"
    assert entry.fields == {"category": "shoe", "Colour": "red", "price": 15.5}
    picture = Image.open(io.BytesIO(index.thumbnail("p003-2")))
    assert (picture.format, picture.size) == ("JPEG", (48, 48))
    assert len(index) == 12


def test_reranking_by_the_matching_head(index, matcher, built):
    plain = index.search("red dress", top=12)
    hits = index.search("red dress", top=12, rerank=5)
    assert {hit.id for hit in hits[:5]} == {hit.id for hit in plain[:5]} and hits[5:] == plain[5:]
    matches = [hit.match for hit in hits[:5]]
    assert matches == sorted(matches, reverse=True)
    expected = matcher.match([index.thumbnail(hit.photo) for hit in hits[:5]], "red dress", progress=False)
    np.testing.assert_allclose(matches, expected, atol=1e-5)
    assert len(index.search("red dress", top=2, rerank=5)) == 2


def test_a_second_model_reranks(shop, two_tower, model_folders, tmp_path):
    Index.build(tmp_path / "index", shop, two_tower, progress=False)
    with pytest.raises(kaleido.UserError, match="has no match"):
        Index.open(tmp_path / "index").search("red dress", rerank=3)
    hits = Index.open(tmp_path / "index", matcher=model_folders["retrieval"]).search("red dress", rerank=3)
    assert hits[0].match is not None


def contents(index):
    """All that an index says, by photo."""
    rows = index._store.rows([name for name in index._store.schema.names if name != "state"]).to_pylist()
    return {row["photo"]: row for row in rows}


def test_an_index_follows_its_catalogue(shop, two_tower, tmp_path):
    index = Index.build(tmp_path / "index", shop, two_tower, progress=False)
    assert (index.changes.added, index.changes.products) == (16, 12)
    rows = rows_of(14)
    rows[1]["price"] = "7 EUR"
    rows[4]["title"] = "green hat"
    del rows[2]
    (shop.parent / "3-0.png").write_bytes((shop.parent / "5-0.png").read_bytes())
    write_table(shop.parent, rows)
    reader = Index.open(tmp_path / "index", two_tower)
    assert len(reader) == 12
    changes = index.update(shop, remove=True, progress=False)
    assert (changes.added, changes.changed, changes.removed, changes.products) == (3, 3, 1, 13)
    whole = Index.build(tmp_path / "whole", shop, two_tower, progress=False)
    followed, fresh = contents(index), contents(whole)
    assert followed.keys() == fresh.keys()
    for photo, row in fresh.items():
        np.testing.assert_allclose(followed[photo].pop("vector"), row.pop("vector"), atol=2e-3)
        assert followed[photo] == row
        assert index.thumbnail(photo) == whole.thumbnail(photo)
    time.sleep(1.1)
    assert [entry.id for entry in reader.search("hat", top=20)] and reader.get("p013").title == "blue shirt number 13"
    assert Index.build(tmp_path / "index", shop, two_tower, progress=False).changes.changed == 0


def test_updates_of_some_products_keep_the_others(shop, two_tower, tmp_path):
    index = Index.build(tmp_path / "index", shop, two_tower, progress=False)
    rows = rows_of(12)[3:5]
    rows[0]["photos"] = "3-1.png"  # one of two photos is gone
    for row in rows:
        row["Season"] = "summer"
        row["price"] = "on request"
    table = write_table(shop.parent / "more", rows)
    changes = index.update(table, progress=False)
    assert (changes.added, changes.changed, changes.removed, changes.products) == (0, 2, 1, 12)
    assert "on request" in " ".join(changes.notes)
    assert index.get("p003").fields == {"category": "shoe", "Colour": "red", "Season": "summer"}
    assert index.get("p003").photos == ("p003-1",)
    assert {hit.id for hit in index.search("hat", where="season = 'summer'")} == {"p003", "p004"}
    removed = index.remove(["p004", "p005"])
    assert (removed.removed, len(index)) == (2, 10)
    with pytest.raises(kaleido.UserError, match="no product of this id; did you mean"):
        index.remove(["p006", "p004"])
    assert len(index) == 10


def test_many_small_changes_are_joined(shop, two_tower, tmp_path):
    index = Index.build(tmp_path / "index", shop, two_tower, progress=False)
    for price in range(20):
        rows = rows_of(12)[3:4]
        rows[0]["price"] = f"{price} EUR"
        index.update(write_table(shop.parent, rows), progress=False)
    assert index.get("p003").fields["price"] == 19 and len(index) == 12
    assert index._store._table("photos").stats()["fragment_stats"]["num_fragments"] < 18


def test_thumbnails_of_photos_that_are_gone_are_removed(shop, two_tower, tmp_path, monkeypatch):
    monkeypatch.setattr("kaleido.search.store._UNUSED", 2)
    index = Index.build(tmp_path / "index", shop, two_tower, progress=False)
    index.remove(["p001"])
    assert len(index._store.stamps()) == 16
    index.remove(["p000", "p003"])
    assert len(index._store.stamps()) == 11 and index.thumbnail("p002-1")


def test_vectors_that_are_there_are_used(shop, two_tower, tmp_path, monkeypatch):
    out = tmp_path / "v.parquet"
    embed(shop, two_tower, out, progress=False)
    monkeypatch.setattr(type(two_tower._processor.extractor), "extract", lambda self, items: iter(list(items)[:0]))
    index = Index.build(tmp_path / "index", shop, two_tower, vectors=out, progress=False)
    assert index.changes.added == 16 and out.exists()
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == ["photos.lance", "thumbnails.lance"]


def test_an_index_may_be_moved_and_needs_no_photos(shop, two_tower, tmp_path):
    Index.build(tmp_path / "index", shop, two_tower, progress=False)
    shutil.move(tmp_path / "index", tmp_path / "moved")
    shutil.rmtree(shop.parent)
    index = Index.open(tmp_path / "moved")
    assert index.search("red hat", top=3)[0].title and index.thumbnail("p000-1")


def test_a_model_without_two_towers_compares_photos(shop, model_folders, tmp_path):
    index = Index.build(tmp_path / "index", shop, model_folders["pretraining"], progress=False)
    assert len(index.similar("p003", top=3)) == 3
    assert len(index.search(photo=shop.parent / "1-0.png", text="blue shirt number 1", top=2)) == 2
    with pytest.raises(kaleido.UserError, match="photo and text together"):
        index.search("red dress")


def test_many_vectors_are_indexed(built, matcher, tmp_path, monkeypatch):
    """A large table gets an index of its vectors, and what comes later is found beside it."""
    shutil.copytree(built[1], tmp_path / "index")
    index = Index.open(tmp_path / "index", matcher)
    row = index._store.rows(index._store.schema.names, "photo = 'p000-1'").to_pylist()[0]
    random = np.random.default_rng(0)
    more = []
    for number in range(600):
        vector = np.asarray(row["vector"], np.float32) + 0.1 * random.normal(size=256)
        vector = (vector / np.linalg.norm(vector)).astype(np.float16)
        more.append({**row, "id": f"q{number}", "photo": f"q{number}", "vector": vector})
    import pyarrow as pa

    table = pa.Table.from_pylist(more, index._store.schema)
    monkeypatch.setattr("kaleido.search.store.INDEXED", 500)
    index._store.change(table.slice(0, 590), [])
    assert any("vector" in one.columns for one in index._store._table("photos").list_indices())
    index._store.change(table.slice(590), [])
    for number in (3, 595):
        found = index.nearest(np.asarray(more[number]["vector"], np.float32), top=3)
        assert found[0].id == f"q{number}"
    assert {hit.id for hit in index.search("red hat", where="id in ('q1', 'p003', 'q599')")} == {"q1", "p003", "q599"}
    assert len(index.search("red hat", top=612)) == 612


def test_queries_in_other_characters(index):
    with pytest.raises(kaleido.UserError, match="language"):
        index.search("платье 裙子")
    with pytest.warns(UserWarning, match="unknown"):
        assert index.search("red платье")


def test_wrong_use_is_told_in_a_line(index, built, model_folders, two_tower, tmp_path):
    (tmp_path / "empty").mkdir()
    for wrong, message in (
        (lambda: index.search(), "nothing to search for"),
        (lambda: index.search(""), "some words"),
        (lambda: index.search("  \n"), "some words"),
        (lambda: index.search("hat", top=1_000_000), "from 1 to 10,000"),
        (lambda: index.search("hat", top=0), "from 1 to 10,000"),
        (lambda: index.search("hat", rerank=1_000_000), "rerank must be"),
        (lambda: index.search(photo=built[0], rerank=3), "give a text"),
        (lambda: index.search("hat", where="prise < 3"), "nearest is 'price'"),
        (
            lambda: index.search(photo=tmp_path / "none.jpg"),
            "none.jpg: photo cannot be read: No such file or directory$",
        ),
        (lambda: index.search(photo=b""), "cannot be decoded"),
        (lambda: index.similar("p00"), "did you mean p0"),
        (lambda: index.get("nothing"), "no product of this id"),
        (lambda: index.thumbnail("'"), "no photo of this key"),
        (lambda: Index.open(tmp_path / "none"), "kaleido index SOURCE"),
        (lambda: Index.open(tmp_path / "empty"), "kaleido index SOURCE"),
        (lambda: Index.open(built[1], two_tower), "another model made this index"),
        (lambda: Index.build(built[1], built[0], two_tower, progress=False), "another model made this index"),
        (
            lambda: Index.build(tmp_path / "i", built[0], model_folders["category"] / "x", progress=False),
            "no such model",
        ),
    ):
        with pytest.raises(kaleido.UserError, match=message) as raised:
            wrong()
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "none").exists()


def test_a_model_that_is_gone_or_changed(shop, model_folders, tmp_path):
    shutil.copytree(model_folders["contrastive"], tmp_path / "model")
    Index.build(tmp_path / "index", shop, tmp_path / "model", progress=False)
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(kaleido.UserError, match="name it by --model"):
        Index.open(tmp_path / "index").search("red hat")
    shutil.copytree(model_folders["retrieval"], tmp_path / "model")
    with pytest.raises(kaleido.UserError, match="another model made this index"):
        Index.open(tmp_path / "index").search("red hat")
    assert Index.open(tmp_path / "index", model_folders["contrastive"]).search("red hat")


def test_columns_of_any_name(shop, two_tower, tmp_path):
    rows = rows_of(12)
    names = ["a.b", "a`b", 'a"b', "Größe (cm)", "100%", "c_price", "vector", "_distance", "order", "a%2Eb"]
    for number, row in enumerate(rows):
        row.update({name: f"{name}{number % 2}" for name in names})
    index = Index.build(tmp_path / "index", write_table(shop.parent, rows), two_tower, progress=False)
    assert {column.name for column in index.columns} >= set(names)
    for name in names:
        quoted = name.replace('"', '""')
        hits = index.search("hat", where=f"\"{quoted}\" = '{name}1'")
        assert len(hits) == 6 and all(hit.fields[name] == f"{name}1" for hit in hits)


def test_a_store_that_refuses(built, two_tower, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(kaleido.UserError, match="file") as raised:
        Index.build(tmp_path / "file" / "index", built[0], two_tower, progress=False)
    assert "\n" not in str(raised.value)
    shutil.copytree(built[1], tmp_path / "damaged")
    for path in (tmp_path / "damaged" / "photos.lance" / "data").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(kaleido.UserError, match="cannot be used") as raised:
        Index.open(tmp_path / "damaged").get("p000")
    assert "\n" not in str(raised.value) and ".rs" not in str(raised.value)


def test_hits_are_plain_values(index):
    hit = index.search("red hat", top=1)[0]
    assert set(dataclasses.asdict(hit)) == {"id", "score", "match", "title", "photo", "fields"}
    assert Store(str(index.where)).about["format"] == 1


def test_an_index_that_another_process_makes_meanwhile_is_not_replaced(shop, two_tower, matcher, tmp_path, monkeypatch):
    where, real = tmp_path / "index", Store.locked

    def other_first(store):
        monkeypatch.setattr(Store, "locked", real)
        Index.build(where, shop, matcher, progress=False)
        return real(store)

    monkeypatch.setattr(Store, "locked", other_first)
    with pytest.raises(kaleido.UserError, match="another model made this index"):
        Index.build(where, shop, two_tower, progress=False)
    assert len(Index.open(where, matcher)) == 12
