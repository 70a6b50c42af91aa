"""Records of many photos: how many files there are, how many are open, and what is kept of each product."""

import errno
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido import untrusted
from kaleido.bench.synthetic import write_synthetic
from kaleido.errors import TooManyFiles
from kaleido.records.config import PrepareConfig, shard_photos_of
from kaleido.records.photos import _numbered, _ranked
from kaleido.records.prepare import CatalogSource
from kaleido.records.reader import PhotoRecords


@given(st.integers(1, 10**8), st.integers(0, 100), st.integers(0, 100))
def test_there_are_fewer_than_2000_files(photos, validation, test):
    size = shard_photos_of(photos)
    held_out = [photos * share // 200 for share in (validation, test)]
    assert sum(-(-part // size) for part in (photos - sum(held_out), *held_out)) < 2000
    assert size == 512 or photos > 1_000_000


def test_the_number_of_photos_in_a_file_is_part_of_the_plan(catalog):
    for given_number, used in ((None, 512), (7, 7)):
        source = CatalogSource(catalog, PrepareConfig(shard_photos=given_number))
        assert source.plan["config"]["shard_photos"] == used


@given(st.lists(st.binary(min_size=16, max_size=16)))
def test_equal_texts_have_one_number(digests):
    numbers: dict[bytes, int] = {}
    assert _numbered(b"".join(digests)).tolist() == [numbers.setdefault(one, len(numbers)) for one in digests]


def test_labels_are_numbered_by_the_alphabet():
    known = {"shoes": 0, "bags": 1, "dresses": 2}
    assert _ranked(np.array([0, 1, 2, -1, 0]), known).tolist() == [2, 0, 1, -1, 2]


READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
import numpy as np
from pathlib import Path
from kaleido.records.folder import Records
records = Records(Path(sys.argv[1]))
train = records.open("train")
train.read(np.arange(len(train)))
for row in range(0, len(train), 7):
    train.example(row)
records.verify()
print(len(train._files), len(train))
"""


def test_more_files_are_read_than_may_be_open(tmp_path):
    write_synthetic(tmp_path / "records", 4, {"train": 80}, vocabulary_size=50, longest_text=5, shard_photos=1)
    done = subprocess.run([sys.executable, "-c", READ, str(tmp_path / "records")], capture_output=True, text=True)
    assert done.stdout.split() == ["80", "80"], done.stderr


def test_too_many_open_files_are_told_as_such(synthetic, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(untrusted, "open", refuse, raising=False)
    with pytest.raises(TooManyFiles, match=r"it is not damaged. Raise the limit by `ulimit -n") as error:
        PhotoRecords.open(synthetic, "train")
    assert "prepare the catalogue again" not in str(error.value)
