"""CSV that a spreadsheet opens."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.rows import csv_bytes, formulas_escaped

FORMULAS = [
    "=1+1",
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "-x",
    '=HYPERLINK("x")',
]


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_texts_like_formulas_get_an_apostrophe(text):
    assert read(csv_bytes([["id", text]])) == [["id", f"'{text}"]]
    with formulas_escaped(False):
        assert read(csv_bytes([["id", text]])) == [["id", text]]


def test_numbers_stay():
    assert read(csv_bytes([[-0.5, "-0.5", "+3", "-1e-05", "-0.1|-0.2", 7, None]])) == [
        ["-0.5", "-0.5", "+3", "-1e-05", "-0.1|-0.2", "7", ""]
    ]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_cell_begins_like_a_formula(text):
    (cell,), *_ = read(csv_bytes([[text]])) or [[""]]
    assert cell.lstrip("'") == text.lstrip("'")
    assert cell[:1] not in ("=", "@", "\t", "\r") and (cell[:1] not in "+-" or not cell or cell[1:2].isdigit())


def test_commands_have_an_option():
    from kaleido.commands.tag import Tag
    from kaleido.configuration import parse

    assert parse(Tag, ["s", "--model=m", "--labels=l", "--out=o.csv"]).escape_formulas
    assert not parse(Tag, ["s", "--model=m", "--labels=l", "--out=o.csv", "--escape-formulas=false"]).escape_formulas
