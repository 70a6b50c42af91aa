import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from original_files import VOCABULARY_SIZE, original_columns, schema_string, write_columns, write_vocabulary

from kaleido.__main__ import main
from kaleido.errors import UserError
from kaleido.original.batches import NUMBERS, TEXTS, to_batch
from kaleido.original.config import PrepareOriginal
from kaleido.original.convert import prepare_original
from kaleido.original.records import OriginalRecords
from kaleido.records.config import PipelineConfig
from kaleido.records.open import create_pipeline, open_records
from kaleido.records.place import partial_directory
from kaleido.records.reader import PhotoRecords

SIZES = (5, 1, 4)
CONFIG = PipelineConfig(workers=2, prefetch=1)


@pytest.fixture(params=["pretraining", "recognition", "retrieval"])
def content(request) -> str:
    return request.param


def write_data(folder: Path, content: str = "pretraining") -> dict[str, np.ndarray]:
    """Three files, their list and a vocabulary; returns all columns."""
    parts = [original_columns(content, rows, 6, seed=number) for number, rows in enumerate(SIZES)]
    for number, part in enumerate(parts):
        write_columns(folder / f"{number}.txt", part)
    (folder / "list").write_text("".join(f"{number}.txt\n" for number in range(len(SIZES))))
    write_vocabulary(folder / "vocab.txt")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def convert(folder: Path, **options) -> Path:
    files, out, vocabulary = (str(folder / name) for name in ("list", "records", "vocab.txt"))
    prepare_original(PrepareOriginal(files, out, vocabulary, validation=str(folder / "2.txt"), **options))
    return folder / "records"


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def assert_equal(found: dict, wanted: dict) -> None:
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype, name
        assert np.array_equal(found[name], values), name


def arrays(batch: dict) -> dict:
    return {name: values for name, values in batch.items() if not isinstance(values, list)}


def test_batches_follow_the_contract():
    columns = original_columns("pretraining", 3, 6)
    batch = to_batch(columns, "pretraining", feature_dtype=np.float32)
    rows = np.arange(3)[:, None]
    level5 = columns["img_feature_convert_blank_mask"].reshape(3, 25, 6)
    blanks = columns["img_blank_lm_ids"]
    assert np.array_equal(batch["blank_targets"], level5[rows, blanks])
    assert not batch["level5"][rows, blanks].any()
    others = np.ones((3, 25), bool)
    others[rows, blanks] = False
    assert np.array_equal(batch["level5"][others], level5[others])
    assert np.array_equal(batch["grey_targets"], columns["img_grey_mask_gt"].reshape(3, 2, 6))
    for level, name in ((1, "rotation"), (2, "jigsaw"), (3, "camouflage"), (4, "grey_mask")):
        features = columns[f"img_feature_convert_{name}"].reshape(3, level * level, 6)
        assert np.array_equal(batch[f"level{level}"], features)
        assert batch[f"level{level}"].dtype == np.float32
    assert np.array_equal(batch["paired"], columns["nx_sent_labels"][:, 0])
    assert np.array_equal(batch["itm_label"], columns["nx_sent_labels"][:, 0])
    assert np.array_equal(batch["mlm_ids"], columns["masked_lm_ids"])
    last = columns["img_loc_position_blank_mask"].reshape(3, 25, 5)[:, -1]
    assert np.allclose(batch["positions"][:, -1], last / [256, 256, 256, 256, 65536])
    raw = to_batch(columns, "pretraining", raw_positions=True)
    assert np.array_equal(raw["positions"][:, -1], last)
    assert raw["level1"].dtype == np.float16


def test_records_hold_the_data(tmp_path, content):
    columns = write_data(tmp_path, content)
    directory = convert(tmp_path)
    records = open_records(directory, "train")
    assert isinstance(records, OriginalRecords)
    assert (len(records), records.feature_size, records.content) == (10, 6, content)
    wanted = to_batch(columns, content)
    pipeline = create_pipeline(records, CONFIG, None, 4, training=False, tasks=())
    names = arrays(pipeline.batch(0)).keys()
    assert pipeline.evaluation_steps == 3
    found = {name: np.concatenate([batch[name] for batch in pipeline]) for name in names}
    tasks = {"itm_label", "level5", *(n for n in wanted if n.startswith(("mlm", "rotation", "jigsaw", "camouflage")))}
    tasks |= {name for name in wanted if name.startswith(("grey", "blank"))}
    assert_equal(
        {name: values for name, values in found.items() if name != "level5"},
        {name: values for name, values in arrays(wanted).items() if name not in tasks},
    )
    level5 = columns["img_feature_convert_blank_mask"].reshape(10, 25, 6).astype(np.float16)
    assert np.array_equal(found["level5"], level5)
    for name, column in TEXTS[content].items():
        assert records.example(7)[name].decode() == columns[column][7]
        if name != "text":
            assert records.index.columns[name].tolist() == columns[column].tolist()
    for name, column in NUMBERS[content].items():
        if name.endswith("label"):
            assert np.array_equal(records.index.columns[name], columns[column][:, 0])
    examples = list(tfds.as_numpy(tfds.builder_from_directory(directory).as_dataset("train")))
    assert np.array_equal([example["token_ids"] for example in examples], columns["input_ids"])


def test_training_takes_every_example_once_an_epoch(tmp_path):
    columns = write_data(tmp_path)
    columns["nx_sent_labels"][:] = np.arange(10)[:, None] % 2
    records = open_records(convert(tmp_path), "train")
    wanted = {ids.tobytes(): row for row, ids in enumerate(columns["input_ids"].astype(np.int32))}

    def order(pipeline, steps):
        batches = pipeline.iterate(0, steps)
        return [wanted[ids.tobytes()] for batch in batches for ids in batch["token_ids"]]

    pipeline = create_pipeline(records, CONFIG, None, 5, 3)
    first = order(pipeline, 4)
    assert sorted(first[:10]) == sorted(first[10:]) == list(range(10))
    assert first[:10] != first[10:]
    assert order(create_pipeline(records, replace(CONFIG, workers=1, prefetch=0), None, 5, 3), 4) == first
    assert order(create_pipeline(records, CONFIG, None, 5, 4), 4) != first
    whole = pipeline.batch(1)
    parts = [create_pipeline(records, CONFIG, None, 5, 3, rank=rank, count=2).batch(1) for rank in range(2)]
    assert_equal({name: np.concatenate([part[name] for part in parts]) for name in whole}, whole)
    assert_equal(next(pipeline.iterate(1, 2)), whole)


def test_positions_are_had_both_ways(tmp_path):
    columns = write_data(tmp_path)
    records = open_records(convert(tmp_path, photo_size=300), "train")
    wanted = to_batch(columns, "pretraining", raw_positions=True)["positions"]
    raw, scaled = (
        create_pipeline(records, CONFIG, None, 10, training=False, raw_positions=raw).batch(0)["positions"]
        for raw in (True, False)
    )
    assert np.array_equal(raw, wanted)
    assert np.allclose(scaled * [300, 300, 300, 300, 90000], raw)


def test_photos_have_raw_positions_too(records):
    indices = np.array([3, 0])
    for scaled, raw in zip(records.views(indices), records.views(indices, raw_positions=True)):
        assert np.array_equal(raw.vectors, scaled.vectors)
        assert np.array_equal(raw.positions, np.rint(scaled.positions * np.float32([100, 100, 100, 100, 10000])))


def test_tasks_that_the_data_has_nothing_for(tmp_path):
    write_data(tmp_path, "retrieval")
    records = open_records(convert(tmp_path), "train")
    assert "itm_label" in create_pipeline(records, CONFIG, None, 2, tasks=("itm",)).batch(0)
    with pytest.raises(UserError, match="retrieval, without labels for the tasks mlm, rotation, jigsaw"):
        create_pipeline(records, CONFIG, None, 2)


def test_kinds_are_told_apart(tmp_path, synthetic):
    write_data(tmp_path)
    directory = convert(tmp_path)
    with pytest.raises(UserError, match="records of original; name records of photos"):
        PhotoRecords.open(directory, "train")
    with pytest.raises(UserError, match="records of photos; name records of original"):
        OriginalRecords.open(synthetic, "train")
    assert isinstance(open_records(synthetic, "train"), PhotoRecords)
    with pytest.raises(UserError, match="no test records here, only train, validation"):
        open_records(directory, "test")
    metadata = json.loads((directory / "metadata.json").read_text())
    (directory / "metadata.json").write_text(json.dumps(metadata | {"kind": "others"}))
    with pytest.raises(UserError, match="records of others"):
        open_records(directory, "train")


def command(folder: Path, *options: str) -> list[str]:
    return ["prepare-original", str(folder / "list"), "--out", str(folder / "records"), *options]


@pytest.mark.slow
def test_the_command_and_training_on_what_it_makes(tmp_path, capsys, monkeypatch):
    write_data(tmp_path)
    vocabulary = ("--vocabulary", str(tmp_path / "vocab.txt"))
    assert main(command(tmp_path, *vocabulary, "--validation", str(tmp_path / "[12].txt"))) == 0
    said = capsys.readouterr().out
    assert "pretraining examples 10 train, 5 validation" in said
    assert "MB of text" in said
    before = contents(tmp_path / "records")
    assert main(command(tmp_path, *vocabulary, "--validation", str(tmp_path / "[12].txt"))) == 0
    assert "there already" in capsys.readouterr().out
    assert contents(tmp_path / "records") == before
    assert main(command(tmp_path, *vocabulary)) == 2
    assert "sources validation" in capsys.readouterr().err
    assert main(command(tmp_path, *vocabulary, "--overwrite")) == 0
    assert main(command(tmp_path, *vocabulary, "--overwrite", "--validation", str(tmp_path / "[12].txt"))) == 0
    assert contents(tmp_path / "records") == before
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    options = ["--model_config.size=tiny", "--train_config.batch_size=4", "--train_config.steps=3"]
    options += ["--train_config.log_every=1", "--evaluate_config.batch_size=4", "--train_config.tensorboard=false"]
    assert main(["pretrain", "--records=records", "--out=run", *options]) == 0
    assert "| camouflage |" in capsys.readouterr().out
    metrics = json.loads(Path("run/metrics.json").read_text())["metrics"]
    assert np.isfinite(list(metrics.values())).all()
    assert len(Path("run/metrics.jsonl").read_text().splitlines()) >= 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "vocabulary is missing"),
        (["--vocabulary", "none"], "no vocabulary: none does not exist"),
        (["--vocabulary", "vocab.txt", "--schema", "a:int"], "name:type:length"),
        (["--vocabulary", "vocab.txt", "--photo-size", "0"], "photo_size must be in"),
        (["--vocabulary", "vocab.txt", "--photo-size", "100"], "0.txt, line 1: column img_loc_position_"),
        (["--vocabulary", "vocab.txt", "--workers", "0"], "workers must be in"),
        (["--vocabulary", "small.txt"], "0.txt, line 1: column input_ids: number "),
        (["--vocabulary", "vocab.txt", "--validation", "none"], "none: no such file"),
        (["--vocabulary", "vocab.txt", "--validation", "other.txt"], "other.txt, line 1: "),
    ],
)
def test_what_cannot_be_converted(tmp_path, monkeypatch, capsys, options, message):
    write_data(tmp_path)
    write_columns(tmp_path / "other.txt", original_columns("retrieval", 1, 6))
    tokens = (tmp_path / "vocab.txt").read_text().splitlines()
    (tmp_path / "small.txt").write_text("\n".join(tokens[: VOCABULARY_SIZE // 2]))
    monkeypatch.chdir(tmp_path)
    assert main(command(tmp_path, *options)) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert message in said
    assert not (tmp_path / "records").exists()


def test_a_schema_of_ones_own(tmp_path):
    columns = original_columns("pretraining", 3, 2, text_length=16) | {"more": np.array(["x", "y", "z"])}
    columns = dict(reversed(columns.items()))
    write_columns(tmp_path / "list", columns)
    write_vocabulary(tmp_path / "vocab.txt")
    files, out, vocabulary = (str(tmp_path / name) for name in ("list", "records", "vocab.txt"))
    prepare_original(PrepareOriginal(files, out, vocabulary, schema=schema_string(columns)))
    batch = create_pipeline(open_records(tmp_path / "records", "train"), CONFIG, None, 3, training=False).batch(0)
    assert_equal(batch, to_batch(columns, "pretraining"))


KILLED = """
import os, signal, sys
from pathlib import Path
from test_original_records import convert, partial_directory, write_data

folder = Path(sys.argv[1])
for name in ("whole", "broken"):
    (folder / name).mkdir()
    write_data(folder / name)
os.chdir(folder / "whole")
convert(Path())
os.chdir(folder / "broken")

def survives(step):
    # Whether a process comes through that is killed right before (even) or after (odd) a file gets its name.
    if child := os.fork():
        return os.waitpid(child, 0)[1] == 0
    steps = iter(range(10**6))
    def rename(self, target, rename=Path.replace):
        for place in ("before", "after"):
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            if place == "before":
                rename(self, target)
    Path.replace = rename
    convert(Path())
    os._exit(0)

kills = 0
while not survives(kills):
    kills += 1
print(kills)
"""


def test_killed_at_any_rename(tmp_path):
    here = Path(__file__).parent
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], env={"PYTHONPATH": f"{here}:{here.parents[1]}"}, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr.decode()
    assert int(ran.stdout) > 5
    assert contents(tmp_path / "broken" / "records") == contents(tmp_path / "whole" / "records")
    assert not partial_directory(tmp_path / "broken" / "records").exists()
