"""The handle on a folder of records."""

import re
import shutil

import numpy as np
import pytest

from kaleido.__main__ import main
from kaleido.bench.synthetic import write_synthetic
from kaleido.errors import UserError
from kaleido.records.config import PipelineConfig
from kaleido.records.folder import Records
from kaleido.records.pipeline import Pipeline
from kaleido.records.reader import PhotoRecords
from kaleido.text import SentencePieceTokenizer


def test_a_handle_tells_what_a_folder_holds(synthetic):
    records = Records(synthetic)
    assert records.splits == {"train": 50, "validation": 21}
    assert len(records) == 71
    assert records.metadata["feature_size"] == 6
    assert records.kind == "photos"
    assert Records.of(records) is records
    assert Records.of(str(synthetic)).directory == synthetic
    assert "50 train, 21 validation" in repr(records)


def test_a_handle_opens_its_splits(synthetic):
    opened = Records(synthetic).open("validation")
    assert isinstance(opened, PhotoRecords)
    np.testing.assert_array_equal(opened.read(np.array([3]))[0].shape, (1, 74, 6))
    with pytest.raises(UserError, match="no test records here"):
        Records(synthetic).open("test")


def test_a_folder_without_records_is_named(tmp_path):
    with pytest.raises(UserError, match="no prepared records here"):
        Records(tmp_path)


def test_batches_of_a_split_are_those_of_its_pipeline(tmp_path):
    tokenizer = SentencePieceTokenizer.train((f"red shirt blue jeans number {i}" for i in range(300)), 120)
    write_synthetic(tmp_path / "records", 4, {"train": 9}, vocabulary_size=tokenizer.vocab_size, longest_text=6)
    tokenizer.save(tmp_path / "records")
    found = Records(tmp_path / "records").batches("train", 3, seed=2)
    plain = Pipeline(found.records, PipelineConfig(), tokenizer, 3, seed=2)
    assert found.batch(5).keys() >= {"token_ids", "level5", "mlm_ids", "itm_label"}
    for name, values in plain.batch(5).items():
        np.testing.assert_array_equal(found.batch(5)[name], values)
    assert len(list(Records(tmp_path / "records").batches("train", 4, training=False))) == 3


def test_records_are_verified(synthetic, tmp_path, capsys):
    directory = shutil.copytree(synthetic, tmp_path / "records")
    assert main(["verify", str(directory)]) == 0
    assert capsys.readouterr().out == f"{directory}: 71 records are intact\n"
    path = max(directory.glob("*validation.tfrecord*"))
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    assert main(["verify", str(directory)]) == 2
    assert re.search(f"{path}: record [0-9]+ is damaged; prepare", capsys.readouterr().err)
