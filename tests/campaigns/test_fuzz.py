"""A small run of the fuzz campaign, and what hypothesis finds in tables."""

import csv
import io
import json

import pytest
from fuzz import campaign
from fuzz_imports import UNCHECKED, check_nothing_is_lost
from fuzz_targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaleido.catalog.folder import import_folder
from kaleido.catalog.rejects import Rejects

WITH_A_MODEL = ("bert-weights", "saved-model", "models", "networks", "sealed-records", "index")


def check(name: str, inputs: int) -> None:
    outcome = campaign(name, seed=7, inputs=inputs)
    assert not outcome.failures
    assert outcome.counts["accepted"] and outcome.counts["refused"]


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in WITH_A_MODEL])
def test_damaged_inputs(name):
    check(name, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_A_MODEL)
def test_damaged_weights(name):
    check(name, 25)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
ROWS = st.lists(
    st.tuples(st.sampled_from("abcd,") | TEXT, TEXT, st.sampled_from(["a.png", "b.png", "c.png", ""])), max_size=12
)


def lost_nothing(folder, name, numbers):
    rejects = Rejects("skip")
    imported = import_folder(folder, name, rejects, photo_options=UNCHECKED)
    check_nothing_is_lost(imported, rejects, dict.fromkeys(numbers, 1))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"x")
    return folder


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, line_end=st.sampled_from(["\n", "\r\n"]), mark=st.booleans())
def test_no_row_of_a_csv_is_lost(rows, line_end, mark, photos):
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    numbers = []
    for row in [("id", "title", "photos"), *rows]:
        # Quotes keep line breaks inside a field: a row may take several lines.
        if any(field.strip() for field in row):
            numbers.append(len(io.StringIO(buffer.getvalue(), newline="").readlines()) + 1)
        writer.writerow(row)
    text = ("\ufeff" if mark else "") + buffer.getvalue()
    (photos / "t.csv").write_bytes(text.encode())
    lost_nothing(photos, "t.csv", numbers[1:])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_no_row_of_a_jsonl_is_lost(rows, photos):
    lines = [json.dumps(dict(zip(("id", "title", "photos"), row))) for row in [("z", "Z", "a.png"), *rows]]
    (photos / "t.jsonl").write_text("\n".join(lines), encoding="utf-8")
    lost_nothing(photos, "t.jsonl", range(1, len(lines) + 1))
