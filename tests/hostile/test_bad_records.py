"""Records that are damaged, or not those that a training expects."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from kaleido.bench.synthetic import write_synthetic
from kaleido.errors import UserError
from kaleido.records.reader import PhotoRecords


@pytest.fixture(scope="module")
def sound(tmp_path_factory, vocabulary) -> Path:
    directory = tmp_path_factory.mktemp("records") / "sound"
    write_synthetic(
        directory, 12, {"train": 48, "validation": 8}, vocabulary_size=200, longest_text=20, shard_photos=16
    )
    shutil.copy(vocabulary, directory)
    return directory


@pytest.fixture
def records(sound, tmp_path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "records"))


def read_all(directory: Path) -> None:
    records = PhotoRecords.open(directory, "train")
    records.read(np.arange(len(records)))


def first(directory: Path, pattern: str) -> Path:
    return min(directory.glob(pattern))


DESCRIPTIONS = ("dataset_info.json", "metadata.json", "index-train.npz", "kaleido_records-train.tfrecord*")


@pytest.mark.parametrize("pattern", DESCRIPTIONS)
@pytest.mark.parametrize("share", [0, 0.05, 0.4, 0.95])
def test_a_file_cut_short(pattern, share, records):
    path = first(records, pattern)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="prepare"):
        read_all(records)


@pytest.mark.parametrize("pattern", DESCRIPTIONS)
def test_a_file_missing(pattern, records):
    first(records, pattern).unlink()
    with pytest.raises(UserError, match="prepare"):
        read_all(records)


@pytest.mark.parametrize("content", ["", "null", "[]", "5", "{}", '{"feature_size": "12"}', "[" * 100_000])
@pytest.mark.parametrize("name", ["dataset_info.json", "metadata.json"])
def test_a_description_of_something_else(name, content, records):
    (records / name).write_text(content)
    with pytest.raises(UserError, match="prepare"):
        read_all(records)


def test_a_flipped_bit_is_found_and_named(records):
    path = first(records, "*train.tfrecord*")
    data = path.read_bytes()
    size = len(data) / 16
    for place in np.linspace(0, len(data) - 1, 60).astype(int):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        with pytest.raises(UserError, match=f"{path.name}: record [0-9]+ is damaged; prepare") as error:
            PhotoRecords.open(records, "train").verify()
        assert abs(int(str(error.value).split("record ")[-1].split()[0]) - place / size) < 1.5
    path.write_bytes(data)
    PhotoRecords.open(records, "train").verify()


def test_an_index_whose_columns_do_not_fit(records):
    with np.load(records / "index-train.npz") as arrays:
        columns = dict(arrays)
    for name, values in (
        ("text", columns["text"][:-1]),
        ("rows", columns["rows"][:-1]),
        ("token_offsets", columns["token_offsets"][::-1]),
        ("token_ids", columns["token_ids"][:-1]),
        ("category", columns["category"].astype(np.float32)),
        ("pair_words", np.zeros((2, 2), np.int32)),
    ):
        np.savez(records / "index-train.npz", **{**columns, name: values})
        with pytest.raises(UserError, match="not an index of records"):
            read_all(records)


@pytest.mark.parametrize("change", [-1, 1, 2**40, -(2**40)])
def test_an_index_of_other_places(change, records):
    """Reading there would end the process, or give another record's vectors."""
    with np.load(records / "index-train.npz") as arrays:
        columns = dict(arrays)
    for row in (0, 5, 15, 16, 47):
        rows = columns["rows"].copy()
        rows[row] += change
        np.savez(records / "index-train.npz", **{**columns, "rows": rows})
        try:
            PhotoRecords.open(records, "train").verify()
            read_all(records)
        except UserError as error:
            assert "damaged" in str(error)
        else:
            assert abs(change) == 1


def test_an_index_of_objects_is_not_loaded(records, tmp_path):
    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    with np.load(records / "index-train.npz") as arrays:
        columns = {**arrays, "text": np.array([Malicious()], object)}
    np.savez(records / "index-train.npz", **columns)
    with pytest.raises(UserError, match="not an index of records"):
        read_all(records)
    assert not (tmp_path / "pwned").exists()


def test_no_module_is_imported_that_the_records_name(records, monkeypatch):
    """`tfds.builder_from_directory` would."""
    (records / "innocent.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(records)
    for name in ("features.json", "dataset_info.json"):
        text = (records / name).read_text()
        text = text.replace("tensorflow_datasets.core.features", "innocent").replace(
            "kaleido.records.builder", "innocent"
        )
        (records / name).write_text(text)
    read_all(records)


def test_a_vocabulary_that_was_altered(records, refused, tmp_path):
    metadata = json.loads((records / "metadata.json").read_text())
    metadata["vocabulary"] = {"file": "sentencepiece.model", "size": 200, "sha256": "0" * 64}
    (records / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=r"sentencepiece\.model was altered"):
        read_all(records)


TINY = ("size=tiny", "num_layers=1", "hidden_size=16", "num_heads=2", "intermediate_size=32")


@pytest.fixture
def pretrain(tmp_path):
    """`pretrain(records, *options)`: the words of a training of two steps."""

    def words(directory: Path, *options: str) -> tuple:
        model = (f"--model_config.{option}" for option in TINY)
        train = (f"--train_config.{option}" for option in ("steps=2", "batch_size=8", "tensorboard=false"))
        return (
            "pretrain",
            "--records",
            directory,
            "--out",
            tmp_path / "run",
            "--mode=train",
            *model,
            *train,
            *options,
        )

    return words


def alter(directory: Path, name: str, **changes) -> None:
    path = directory / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_records_that_a_training_cannot_use(records, pretrain, refused, vocabulary, tmp_path):
    assert "no prepared records here" in refused(*pretrain(tmp_path / "nowhere"))
    (records / "sentencepiece.model").write_bytes(b"x" * 100)
    assert "not a SentencePiece model" in refused(*pretrain(records))
    (records / "sentencepiece.model").unlink()
    assert "no vocabulary" in refused(*pretrain(records))
    shutil.copy(vocabulary, records)
    alter(records, "dataset_info.json", version="0.9.0")
    assert "of another version" in refused(*pretrain(records))
    (records / "dataset_info.json").unlink()
    assert "no prepared records here" in refused(*pretrain(records))


@pytest.mark.slow
def test_a_training_meets_other_records(sound, records, pretrain, refused, run, vocabulary, tmp_path):
    """Another feature size, another backbone and damage met on the way, each in one line."""
    assert run(*pretrain(records))[0] == 0
    other = tmp_path / "other"
    write_synthetic(other, 16, {"train": 48, "validation": 8}, vocabulary_size=200, longest_text=20)
    shutil.copy(vocabulary, other)
    assert "feature_size" in refused("evaluate", "--model", tmp_path / "run" / "model", "--records", other)
    evaluate = ("evaluate", "--model", tmp_path / "run" / "model", "--records", records)
    assert "no test records here" in refused(*evaluate, "--split=test")
    backbone = json.loads((records / "metadata.json").read_text())["backbone"]
    alter(records, "metadata.json", backbone="resnet50")
    assert str(tmp_path / "run") in refused(*pretrain(records, "--train_config.keep_checkpoints=3"))
    path = first(records, "*validation.tfrecord*")
    assert "the model's backbone is" in refused(*evaluate)
    path.write_bytes(path.read_bytes()[:1000])
    alter(records, "metadata.json", backbone=backbone)
    assert f"{path}: damaged" in refused(*evaluate)
