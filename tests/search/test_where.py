"""Filters as in SQL: what they let through, and what is said of those that cannot be read."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.errors import UserError
from kaleido.search.where import DEEPEST, Filter

COLUMNS = {
    "category": ("c_category", "text"),
    "price": ("c_price", "number"),
    "Body (HTML)": ("c_Body (HTML)", "text"),
}
ROWS = [("dresses", 10.0, "a"), ("hats", 50.0, None), ("dresses", 60.5, "it's"), ("", None, "x%y"), ("shoes", -3.0, "")]


def passed(text):
    """Rows that a filter lets through, as SQLite understands it."""
    database = sqlite3.connect(":memory:")
    database.execute("create table t (`c_category` text, `c_price` real, `c_Body (HTML)` text)")
    database.executemany("insert into t values (?, ?, ?)", ROWS)
    return [row[0] for row in database.execute(f"select rowid from t where {Filter(text, COLUMNS).condition}")]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("category = 'dresses' and price < 50", [1]),
        ("CATEGORY = 'dresses' OR Price >= 50", [1, 2, 3]),
        ("category in ('dresses', 'hats') and not price > 55", [1, 2]),
        ("price between -5 and 10.0;", [1, 5]),
        ("price not between 0 and 55", [3, 5]),
        ("price is null or price == -3", [4, 5]),
        ("\"body (html)\" = 'it''s'", [3]),
        ("`Body (HTML)` like 'x%' and category != 'hats'", [4]),
        ("(category = 'hats' or category = 'shoes') and (price <> 50)", [5]),
        ("not (category = 'dresses' or price is null)", [2, 5]),
        ("price < '50' and category not in ('shoes')", [1]),
    ],
)
def test_filters(text, rows):
    assert passed(text) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pric < 3", "nearest is 'price'"),
        ("größe < 3", "there are category, price"),
        ("category = dresses", "texts stand in single quotes: 'dresses'"),
        ("category < 3", "write '3'"),
        ("price = 'cheap'", "numbers with the text 'cheap'"),
        ("price like '1%'", "numbers of 'price' by like"),
        ("price <", "its end where a value"),
        ("price < 3 price > 1", "has price where and, or"),
        ("(price < 3", r"where '\)'"),
        ("price < 3; drop table t", "cannot be read at '; drop"),
        ("1 = 1", "where a column"),
        ("price < 1e400", "has e400 where"),
        ("price < 99999999999999999999", "numbers with the text"),
        ("price", "its end where ="),
        ("(" * (DEEPEST + 1) + "price < 1" + ")" * (DEEPEST + 1), "inside one another"),
        ("not " * 2000, "at most 4,000"),
    ],
)
def test_what_is_no_filter(text, message):
    with pytest.raises(UserError, match=message) as raised:
        Filter(text, COLUMNS)
    assert "\n" not in str(raised.value)


@given(st.lists(st.sampled_from([*"()=<>,;'\"`", " and ", " or ", " not ", " in ", "price", "category", "3", "'a'"])))
def test_any_text_is_a_filter_or_told(parts):
    text = "".join(parts)
    try:
        passed(text)
    except UserError as error:
        assert "\n" not in str(error)


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20))
def test_texts_in_quotes_are_taken_as_they_are(value):
    quoted = value.replace("'", "''")
    condition = Filter(f"category = '{quoted}'", COLUMNS).condition
    found = sqlite3.connect(":memory:").execute("select ? = " + condition.partition("=")[2], [value])
    assert found.fetchone() == (1,)
