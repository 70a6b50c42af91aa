import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from original_files import original_columns, schema_string, write_columns

from kaleido.errors import UserError
from kaleido.original.numbers import FLOAT, FLOAT_LIMIT, INT, line_views, parse_line
from kaleido.original.schema import PUBLISHED, Schema
from kaleido.original.text_files import Span, TextFiles, find_files

CONTENTS = ("pretraining", "recognition", "retrieval")
REFERENCE = Path(__file__).parents[2] / ".." / "shared" / "reference" / "original_a"


def read(files: TextFiles, batch_size: int = 3, workers: int = 2) -> dict[str, np.ndarray]:
    batches = list(files.batches(batch_size, workers))
    assert all(len(batch["input_ids"]) == batch_size for batch in batches[:-1])
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def assert_equal(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        assert np.array_equal(found[name], values), name


def quick(text: str, *types_and_lengths: tuple[int, int]) -> tuple[bool, np.ndarray, np.ndarray]:
    types, lengths = (np.array(values) for values in zip(*types_and_lengths))
    ints, floats = np.zeros(lengths[types == INT].sum(), np.int32), np.zeros(lengths[types == FLOAT].sum(), np.float32)
    line = text.encode() + b"\n"
    return parse_line(*line_views(line, len(line) - 1), types, lengths, ints, floats), ints, floats


@given(st.lists(st.floats(-FLOAT_LIMIT, FLOAT_LIMIT, width=32), min_size=1, max_size=40), st.data())
@settings(max_examples=200)
def test_floats_are_read_as_python_reads_them(values, data):
    formats = data.draw(st.lists(st.sampled_from(["", ".1f", ".6g", ".7f", ".8f", ".9g", ".12f", ".3e"]), min_size=1))
    texts = [format(value, formats[place % len(formats)]) for place, value in enumerate(values)]
    well, _, floats = quick(",".join(texts), (FLOAT, len(texts)))
    # More digits than float64 surely holds are left to the exact way.
    short = all(len(text.strip("-").replace(".", "").split("e")[0]) <= 15 for text in texts)
    small = any("e-" in text for text in texts)
    assert well or not short or small
    if well:
        assert np.array_equal(floats, np.array([float(text) for text in texts], np.float32))


@given(st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1, max_size=40))
@settings(max_examples=100)
def test_ints_are_read_as_python_reads_them(values):
    well, ints, _ = quick(",".join(map(str, values)), (INT, len(values)))
    assert well == all(abs(value) < 10**9 for value in values)
    if well:
        assert ints.tolist() == values


@given(st.text(alphabet="01.,-+eE \t\r\0x", max_size=60))
@settings(max_examples=300)
def test_the_quick_way_takes_nothing_that_python_would_not(text):
    well, ints, floats = quick(text, (INT, 2), (FLOAT, 2))
    if well:
        first, second = text.split("\t")
        assert ints.tolist() == [int(value) for value in first.split(",")]
        assert np.array_equal(floats, np.array([float(value) for value in second.split(",")], np.float32))


@pytest.mark.parametrize("content", CONTENTS)
def test_published_schemas_are_those_of_the_release(content):
    schema = PUBLISHED[content]
    assert schema.content == content
    assert str(schema) == schema_string(original_columns(content, 1, 2048))
    assert Schema.parse(str(schema).replace("camouflage:int:45", "camouflage:int:35")) == schema


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("input_ids:int:64", "input_ids:int"), "name:type:length"),
        (("input_ids:int:64", "input_ids:integer:64"), "name:type:length"),
        (("input_ids:int:64", "input_ids:int:0"), "name:type:length"),
        (("input_ids:int:64", "input_ids:int:60"), "expected input_mask:int:60. Received: input_mask:int:64"),
        (("nx_sent_labels:int:1", "nx_sent_labels:str:1"), "expected nx_sent_labels:int:1"),
        (("nx_sent_labels:int:1", "nx_sent_labels:str:2"), "must have length 1"),
        (("nx_sent_labels:int:1", "input_ids:int:64"), "input_ids occurs twice"),
        ((",nx_sent_labels:int:1", ""), "no such column"),
        (("img_grey_mask_gt:float:4096", "img_grey_mask_gt:float:4095"), "expected img_grey_mask_gt:float:4096"),
    ],
)
def test_schemas_that_make_no_sense(change, message):
    with pytest.raises(UserError, match=message.replace(".", r"\.")):
        Schema.parse(str(PUBLISHED["pretraining"]).replace(*change))


@given(
    content=st.sampled_from(CONTENTS),
    rows=st.integers(1, 9),
    feature_size=st.integers(1, 9),
    text_length=st.integers(9, 20),
    seed=st.integers(0, 1000),
    end=st.sampled_from(["\n", "\r\n"]),
    last_end=st.booleans(),
    batch_size=st.integers(1, 5),
    workers=st.integers(1, 3),
)
@settings(max_examples=40)
def test_what_is_written_is_read(content, rows, feature_size, text_length, seed, end, last_end, batch_size, workers):
    columns = original_columns(content, rows, feature_size, text_length, seed)
    with tempfile.TemporaryDirectory() as folder:
        file = write_columns(Path(folder, "data.txt"), columns, end, last_end)
        assert_equal(read(TextFiles([file], Schema.parse(schema_string(columns))), batch_size, workers), columns)


@pytest.mark.parametrize("content", CONTENTS)
def test_content_and_feature_size_are_known_by_the_first_line(tmp_path, content):
    columns = original_columns(content, 2, 6)
    files = TextFiles.find(str(write_columns(tmp_path / "data.txt", columns)))
    assert (files.schema.content, files.schema.feature_size) == (content, 6)
    assert_equal(read(files), columns)


def test_the_reference_batch_is_read_exactly():
    if not REFERENCE.exists():
        pytest.skip("no reference data here")
    schema = Schema.parse((REFERENCE / "schema.txt").read_text())
    with np.load(REFERENCE / "batch.npz") as wanted:
        assert_equal(read(TextFiles.find(str(REFERENCE / "batch.tsv"), schema, vocab_size=3000)), dict(wanted))


@given(st.integers(1, 2000), st.integers(1, 12))
@settings(max_examples=25)
def test_spans_hold_every_line_once(most_bytes, rows):
    columns = original_columns("retrieval", rows, 1)
    with tempfile.TemporaryDirectory() as folder:
        files = TextFiles([write_columns(Path(folder, "data.txt"), columns)])
        spans = files.spans(most_bytes)
        assert all(span.end - span.start <= most_bytes for span in spans)
        batches = [batch for span in spans for batch in files.batches(4, 1, [span])]
        ids = [name for batch in batches for name in batch["text_prod_id"]]
        assert ids == columns["text_prod_id"].tolist()


class TestFinding:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "data" / "more").mkdir(parents=True)
        for number, name in enumerate(("b.txt", "a.txt", "more/c.txt")):
            write_columns(tmp_path / "data" / name, original_columns("retrieval", 2, 1, seed=number))
        return tmp_path

    def test_a_list_is_taken_in_its_order(self, folder):
        (folder / "data" / "list").write_text(f"b.txt\n\n  more/c.txt\r\ndata/a.txt\n{folder}/data/a.txt\nb.txt")
        names = ["data/b.txt", "data/more/c.txt", "data/a.txt", str(folder / "data/a.txt"), "data/b.txt"]
        assert find_files("data/list") == [Path(name) for name in names]

    def test_a_pattern_is_taken_by_name(self, folder):
        assert find_files("data/*.txt") == [Path("data/a.txt"), Path("data/b.txt")]
        assert find_files("data/**/*.txt") == [Path("data/a.txt"), Path("data/b.txt"), Path("data/more/c.txt")]

    def test_files_follow_one_another(self, folder):
        found = read(TextFiles.find("data/*.txt"))
        parts = [original_columns("retrieval", 2, 1, seed=seed) for seed in (1, 0)]
        assert_equal(found, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    @pytest.mark.parametrize(
        ("source", "content", "message"),
        [
            ("missing", None, "missing: no such file"),
            ("data", None, "data: no such file"),
            ("no/*.txt", None, "no file matches the pattern"),
            ("empty", b"", "empty: empty"),
            ("blank", b"\n \n", "blank: neither a data file"),
            ("binary", b"\xff\xfe\0", "binary: neither a data file"),
            ("list", b"data/a.txt\nnone.txt\n", "list, line 2: no such data file, .* Received: none.txt"),
            ("list", b"data/a.txt\nvoid\n", "void: empty"),
            ("other", b"1\t2\t3\n", r"other, line 1: .*25 \(pretraining\).* Received: 3"),
        ],
    )
    def test_what_is_no_source(self, folder, source, content, message):
        (folder / "void").touch()
        if content is not None:
            (folder / source).write_bytes(content)
        with pytest.raises(UserError, match=message):
            TextFiles.find(source)


def field(name: str, *change: str):
    """A line in which one thing is changed in the field of a column."""
    place = [column.name for column in PUBLISHED["recognition"].columns].index(name)

    def apply(line: bytes) -> bytes:
        fields = line.split(b"\t")
        before, after = (part.encode("latin-1") for part in change)
        assert before in fields[place]
        fields[place] = fields[place].replace(before, after, 1)
        return b"\t".join(fields)

    return apply


FEATURE = "img_feature_convert_jigsaw"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: b"", "the line is empty"),
        (lambda line: line.rpartition(b"\t")[0], "expected 22 columns, separated by tabs. Received: 21"),
        (lambda line: line + b"\t1", "expected 22 columns, separated by tabs. Received: 23"),
        (lambda line: line.replace(b"\t", b" "), "expected 22 columns, separated by tabs. Received: 1"),
        (field(FEATURE, ",", "\t"), "expected 22 columns, separated by tabs. Received: 23"),
        (field(FEATURE, "0.5,", ""), f"column {FEATURE}: expected 16 numbers. Received: 15"),
        (field(FEATURE, "0.5", "0.5,0.5"), f"column {FEATURE}: expected 16 numbers. Received: 17"),
        (field(FEATURE, "0.5", "0.5.5"), f"column {FEATURE}: number 1 is not a number within 65504. Received: '0.5.5'"),
        (field(FEATURE, "0.5", "nan"), "Received: 'nan'"),
        (field(FEATURE, "0.5", "-inf"), "Received: '-inf'"),
        (field(FEATURE, "0.5", "1e999"), "Received: '1e999'"),
        (field(FEATURE, "0.5", "1_0"), "Received: '1_0'"),
        (field(FEATURE, "0.5", " 1"), "Received: ' 1'"),
        (field(FEATURE, "0.5", "0x1"), "Received: '0x1'"),
        (field(FEATURE, "0.5", "\xff"), r"Received: '\\xff'"),
        (field(FEATURE, "0.5", ""), f"column {FEATURE}: number 1 is not a number within 65504. Received: ''"),
        (field("input_ids", "7,", "7.0,"), "column input_ids: number 1 is not a whole number"),
        (field("input_ids", "7,", "9999999999,"), "column input_ids: number 1 is not a whole number within 2147483647"),
        (field("input_ids", "7,", "300,"), "column input_ids: number 1 must be in 0..299. Received: 300"),
        (field("input_ids", "7,", "-1,"), "column input_ids: number 1 must be in 0..299. Received: -1"),
        (field("input_mask", "1,", "2,"), "column input_mask: number 1 must be in 0..1. Received: 2"),
        (field("img_loc_position_rotation", "5,", "257,"), "rotation: number 1 must be in 0..256. Received: 257"),
        (field("img_category_id", "3", "-3"), "column img_category_id: number 1 must be in"),
        (field("prod_desc", "dress", "dr\xe9ss"), "column prod_desc: not UTF-8. Received: "),
    ],
)
def test_a_bad_line_is_named(tmp_path, change, message):
    columns = original_columns("recognition", 4)
    columns[FEATURE][2, 0] = 0.5
    columns["input_ids"][2, 0] = 7
    columns["img_loc_position_rotation"][2, 0] = 5
    columns["img_category_id"][2] = 3
    file = write_columns(tmp_path / "data.txt", columns)
    lines = file.read_bytes().split(b"\n")
    lines[2] = change(lines[2])
    file.write_bytes(b"\n".join(lines))
    files = TextFiles.find(str(file), vocab_size=300, photo_size=256)
    for batch_size, workers in ((1, 1), (2, 2), (4, 3)):
        with pytest.raises(UserError) as error:
            list(files.batches(batch_size, workers))
        assert str(error.value).startswith(f"{file}, line 3: ")
        assert message in str(error.value)


@pytest.mark.parametrize("text", ["+1", "1.", ".5", "1E0", "1e-30", "0.12345678901234567890", "00.5", "-0"])
def test_unusual_numbers_are_read(tmp_path, text):
    columns = original_columns("retrieval", 2)
    columns[FEATURE][1, 3] = 0.5
    file = write_columns(tmp_path / "data.txt", columns)
    head, _, tail = file.read_text().rpartition("0.5,")
    file.write_text(f"{head}{text},{tail}")
    columns[FEATURE][1, 3] = float(text)
    assert_equal(read(TextFiles([file])), columns)


def test_a_file_that_shrinks_is_noticed(tmp_path):
    file = write_columns(tmp_path / "data.txt", original_columns("retrieval", 3))
    files = TextFiles([file])
    end = file.stat().st_size
    os.truncate(file, end // 2)
    with pytest.raises(UserError, match=r"line 2: expected 19 columns|became shorter"):
        list(files.batches(1, 1, [Span(file, 0, end)]))
