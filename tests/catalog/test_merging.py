"""Rows of one product are treated alike in imports and in lists of photos."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.catalog.folder import import_folder
from kaleido.catalog.photo_list import photos_of_table
from kaleido.catalog.photos import PhotoOptions
from kaleido.catalog.rejects import Rejects
from kaleido.errors import UserError

UNCHECKED = PhotoOptions(check_photos=False)
PHOTOS = ("a.jpg", "b.jpg", "c.jpg")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Imports and lists a table; returns photos by product, photos with texts, counts and rejects."""
    folder = tmp_path_factory.mktemp("shop")
    for name in PHOTOS:
        (folder / name).write_bytes(b"photo")

    def read(table, on_error="skip"):
        (folder / "p.csv").write_text(table)
        rejects, listed_rejects = Rejects(on_error), Rejects(on_error)
        imported = import_folder(folder, "p.csv", rejects, photo_options=UNCHECKED)
        listed = photos_of_table(folder / "p.csv", listed_rejects)
        key = lambda reject: (reject.row, reject.photo, reject.reason)  # noqa: E731
        assert sorted(map(key, rejects.rows)) == sorted(map(key, listed_rejects.rows))
        products = {one.id: [photo.uri.removeprefix("photos/") for photo in one.photos] for one in imported.products}
        texts = [(photo.key["id"], photo.path, photo.text) for photo in listed.photos]
        for one in imported.products:
            found = [(path, text) for product, path, text in texts if product == one.id]
            assert found == [(photo.uri.removeprefix("photos/"), one.text) for photo in one.photos]
        return products, texts, imported.notes.counts(), rejects.rows

    return read


def test_later_rows_inherit_and_fill_in(shop):
    table = "id,title,description,photos\n1,,,a.jpg\n1,Dress,Red,b.jpg\n2,Hat,,c.jpg\n1,,,c.jpg\n1,Dress,,\n"
    products, texts, counts, rejects = shop(table)
    assert products == {"1": ["a.jpg", "b.jpg", "c.jpg"], "2": ["c.jpg"]} and not rejects
    assert texts[0] == ("1", "a.jpg", "Dress. Red") and texts[2] == ("2", "c.jpg", "Hat")
    assert counts == {"further rows of a product": 3, "rows without a photo": 1}


def test_a_repeated_photo_counts_once(shop):
    products, _, counts, rejects = shop("id,title,photos\n1,Dress,a.jpg|./a.jpg\n1,,A.JPG\n1,,b.jpg\n")
    assert products == {"1": ["a.jpg", "b.jpg"]} and not rejects
    assert counts["repeated photos, kept once"] == 2


def test_a_bad_photo_costs_itself_alone(shop):
    products, _, counts, rejects = shop(
        "id,title,photos\n1,Dress,a.jpg|gone.jpg|b.jpg\n2,Hat,gone.jpg\n2,,\n3,Bag,c.jpg\n"
    )
    assert products == {"1": ["a.jpg", "b.jpg"], "3": ["c.jpg"]}
    assert [(reject.row, reject.photo) for reject in rejects] == [(2, "gone.jpg"), (3, "gone.jpg"), (4, "")]
    assert counts["products left out, without a usable photo"] == 1
    with pytest.raises(UserError, match=r"row 2: photo 'gone.jpg' does not exist .*or leave such photos out by"):
        shop("id,title,photos\n1,Dress,a.jpg|gone.jpg|b.jpg\n", on_error="stop")


def test_rows_without_an_id_and_a_text_belong_to_the_product_above(shop):
    products, _, counts, rejects = shop("id,title,photos\n1,Dress,a.jpg\n,,b.jpg\n,,c.jpg\n2,Hat,c.jpg\n")
    assert products == {"1": ["a.jpg", "b.jpg", "c.jpg"], "2": ["c.jpg"]} and not rejects
    assert counts["rows without an id, taken to the product above"] == 2


def test_a_list_keeps_the_texts_of_its_rows(tmp_path):
    """An import has one text a product; a model is also asked which of several texts belongs to a photo."""
    for name in PHOTOS:
        (tmp_path / name).write_bytes(b"photo")
    (tmp_path / "p.csv").write_text("id,text,photo\n1,Red,a.jpg\n1,Blue,a.jpg\n1,,b.jpg\n")
    listed = photos_of_table(tmp_path / "p.csv", Rejects())
    assert [(photo.key["row"], photo.path, photo.text) for photo in listed.photos] == [
        (2, "a.jpg", "Red"),
        (3, "a.jpg", "Blue"),
        (4, "b.jpg", "Red"),
    ]
    with pytest.raises(UserError, match="row 3: product '1' is in an earlier row with another title"):
        import_folder(tmp_path, "p.csv", Rejects(), {"title": ["text"]}, UNCHECKED)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2"]),
        st.sampled_from(["Dress", ""]),
        st.lists(st.sampled_from([*PHOTOS, "gone.jpg"]), max_size=3),
    ),
    min_size=1,
    max_size=8,
)


@given(rows=ROWS)
def test_every_photo_of_every_row_is_accounted_for(shop, rows):
    rows = [("0", "First", ["a.jpg"]), ("1", "Dress", []), ("2", "Dress", []), *rows]
    products, _, counts, rejects = shop("id,title,photos\n" + "".join(f"{i},{t},{'|'.join(p)}\n" for i, t, p in rows))
    for product in ("1", "2"):
        named = [photo for i, _, photos in rows if i == product for photo in photos]
        assert products.get(product, []) == list(dict.fromkeys(photo for photo in named if photo != "gone.jpg"))
    named = [photo for _, _, photos in rows for photo in photos]
    assert sum(bool(reject.photo) for reject in rejects) == named.count("gone.jpg")
    kept = sum(map(len, products.values()))
    assert kept + counts.get("repeated photos, kept once", 0) + named.count("gone.jpg") == len(named)
    without = sum(not photos for _, _, photos in rows)
    assert counts.get("rows without a photo", 0) + sum(not reject.photo for reject in rejects) == without
