"""Preparation split over processes and hosts gives the bytes of one that is not."""

import json
import math
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest
import tensorflow_datasets as tfds
from hypothesis import given
from hypothesis import strategies as st
from memory_catalog import MemoryCatalog, make_products

from kaleido.__main__ import main
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.records import prepare as prepare_module
from kaleido.records.builder import KaleidoRecords
from kaleido.records.place import partial_directory
from kaleido.records.prepare import make_catalog_records
from kaleido.records.reader import PhotoRecords
from kaleido.records.shard import Shard


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.fixture
def config(prepare_config):
    return replace(prepare_config, on_error="skip")


@pytest.fixture
def damaged(catalog):
    catalog.broken = {product.photos[0].uri for product in catalog.products[::5]}
    return catalog


@pytest.fixture
def unsplit(tmp_path, damaged, config):
    make_catalog_records(damaged, tmp_path / "unsplit", config)
    return contents(tmp_path / "unsplit")


@pytest.mark.parametrize(
    "text", ["", "1", "0/4", "5/4", "1/0", "0/0", "-1/4", "1/4/2", "a/b", "1.0/2", "１/２", "1 / 2"]
)
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UserError, match=r"i/n with 1 <= i <= n.*Received: ") as error:
        Shard.parse(text)
    assert "\n" not in str(error.value)


@given(st.integers(1, 40), st.integers(0, 300))
def test_every_file_belongs_to_one_shard(count, file):
    shards = [Shard.parse(f"{number}/{count}") for number in range(1, count + 1)]
    assert sum(shard.holds(file) for shard in shards) == 1
    assert shards[0].holds(0)


def test_shards_then_one_command_give_the_bytes_of_an_unsplit_preparation(
    tmp_path, damaged, config, unsplit, capfd, monkeypatch
):
    monkeypatch.setattr("kaleido.progress._is_watched", lambda: True)
    directory = tmp_path / "records"
    left, made = 9, 0
    for number in (2, 3, 1):
        damaged.reads_left = 48 // 2  # a third of the files, and not all
        shard = Shard(number, 3)
        summary = make_catalog_records(damaged, directory, config, shard=shard)
        assert not directory.exists()
        left -= 3
        assert summary.missing == left
        made += sum(summary.photos.values()) + summary.rejected
        assert f"/{sum(summary.photos.values()) + summary.rejected} [" in capfd.readouterr().err
        assert make_catalog_records(damaged, directory, config, shard=shard) == replace(summary, made=0, seconds=ANY)
    assert made == damaged.photo_count
    damaged.reads_left = 0
    merged = make_catalog_records(damaged, directory, config)
    assert merged.missing is None
    assert merged.made == 0
    assert merged.rejected == len(damaged.broken)
    assert contents(directory) == unsplit
    assert not partial_directory(directory).exists()
    assert make_catalog_records(damaged, directory, config, shard=Shard(1, 3)).missing is None
    assert not partial_directory(directory).exists()


def test_parts_of_hosts_without_a_shared_disk_are_copied_together(tmp_path, damaged, config, unsplit):
    hosts = [tmp_path / name / "records" for name in ("one", "two", "three", "four")]
    for number, directory in enumerate(hosts, start=1):
        make_catalog_records(damaged, directory, config, shard=Shard(number, 4))
    for directory in hosts[1:3]:
        shutil.copytree(partial_directory(directory), partial_directory(hosts[0]), dirs_exist_ok=True)
    # The fourth is forgotten: 2 of the 9 files, which hold 7 photos and 1.
    damaged.reads_left = 7
    with pytest.raises(RuntimeError, match="power cut"):
        make_catalog_records(damaged, hosts[0], config)
    damaged.reads_left = 1
    make_catalog_records(damaged, hosts[0], config)
    assert contents(hosts[0]) == unsplit


def test_what_a_copy_cut_off_is_made_again(tmp_path, damaged, config, unsplit):
    directory = tmp_path / "records"
    for number in (1, 2):
        make_catalog_records(damaged, directory, config, shard=Shard(number, 2))
    work = next(partial_directory(directory).glob("*/"))
    files = sorted(work.glob("records/*train*tfrecord*"))
    parts = sorted(work.glob("parts/train*.npz")), sorted(work.glob("parts/train*.jsonl"))
    vocabulary = next(work.glob("records/*.model"))
    for path, size in ((files[0], 1000), (files[1], files[1].stat().st_size - 1), (parts[0][2], 700), (vocabulary, 9)):
        path.write_bytes(path.read_bytes()[:size])
    next(path for path in parts[1] if path.stat().st_size).write_bytes(b"")
    parts[0][3].unlink()
    make_catalog_records(damaged, directory, config)
    assert contents(directory) == unsplit


def test_a_bit_that_flipped_on_the_way_is_named(tmp_path, damaged, config):
    directory = tmp_path / "records"
    make_catalog_records(damaged, directory, config, shard=Shard(1, 2))
    path = min(partial_directory(directory).glob("*/records/*train*tfrecord*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=f"{path}: record [0-9]+ is damaged; delete this file and run the same"):
        make_catalog_records(damaged, directory, config)
    assert not directory.exists()
    path.unlink()
    make_catalog_records(damaged, directory, config)
    PhotoRecords.open(directory, "train").verify()


def other_configuration(config, **_):
    return replace(config, saliency="none")


def other_catalogue(config, catalog, **_):
    catalog.fingerprint = "0" * 64
    return config


def other_vocabulary(config, monkeypatch, **_):
    create = prepare_module.create_tokenizer
    monkeypatch.setattr(
        prepare_module, "create_tokenizer", lambda kind, texts, size: create(kind, list(texts)[:9], size)
    )
    return config


def other_version(config, monkeypatch, **_):
    monkeypatch.setattr(KaleidoRecords, "VERSION", tfds.core.Version("9.0.0"))
    monkeypatch.setattr("kaleido.records.description.VERSION", "9.0.0")
    return config


@pytest.mark.parametrize(
    ("difference", "named"),
    [
        (other_configuration, "saliency '"),
        (other_catalogue, "catalog fingerprint '"),
        (other_vocabulary, "vocabulary sha256 '"),
        (other_version, "version '"),
    ],
)
def test_parts_made_otherwise_are_refused(tmp_path, catalog, config, monkeypatch, difference, named):
    here, there = tmp_path / "here" / "records", tmp_path / "there" / "records"
    make_catalog_records(catalog, here, config, shard=Shard(1, 4))
    changed = difference(config, catalog=catalog, monkeypatch=monkeypatch)
    make_catalog_records(catalog, there, changed, shard=Shard(2, 4))
    shutil.copytree(partial_directory(there), partial_directory(here), dirs_exist_ok=True)
    before = sorted(partial_directory(here).rglob("*"))
    for shard in (None, Shard(3, 4)):
        with pytest.raises(UserError, match=named) as error:
            make_catalog_records(catalog, here, changed, shard=shard)
        assert "\n" not in str(error.value)
    assert sorted(partial_directory(here).rglob("*")) == before
    with pytest.raises(UserError, match=r"delete .*records and .*records\.partial"):
        make_catalog_records(catalog, here, changed, overwrite=True, shard=Shard(1, 4))
    make_catalog_records(catalog, here, changed, overwrite=True)
    make_catalog_records(catalog, there, changed)
    if difference is not other_vocabulary:  # the plan allows either
        assert contents(here) == contents(there)


@pytest.mark.parametrize("shards", [(Shard(1, 2), Shard(2, 2), Shard(1, 2)), (Shard(1, 1), None, None)])
def test_processes_do_not_disturb_each_other(tmp_path, damaged, config, unsplit, shards):
    directory = tmp_path / "records"
    start, failures = threading.Barrier(len(shards)), []

    def run(shard):
        start.wait()
        try:
            make_catalog_records(damaged, directory, config, shard=shard)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(shard,)) for shard in shards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    make_catalog_records(damaged, directory, config)
    assert contents(directory) == unsplit
    assert not partial_directory(directory).exists()


def test_a_published_preparation_ends_the_shards_that_still_run(tmp_path, damaged, config, unsplit):
    directory = tmp_path / "records"
    read, reads = damaged.read, iter(range(10**6))

    def read_until_published(uri):
        if next(reads) == 10:
            damaged.read = read
            make_catalog_records(damaged, directory, config)
        return read(uri)

    damaged.read = read_until_published
    assert make_catalog_records(damaged, directory, config, shard=Shard(1, 2)).missing is None
    assert contents(directory) == unsplit


KILLED = """
import os, shutil, signal, sys
from dataclasses import replace
from pathlib import Path
from memory_catalog import MemoryCatalog, make_products
from kaleido.records.place import partial_directory
from kaleido.records.config import PrepareConfig
from kaleido.records.prepare import make_catalog_records
from kaleido.records.shard import Shard

catalog = MemoryCatalog(make_products(9))
catalog.broken = {"photos/p-3"}
config = PrepareConfig("border", backbone="random", vocabulary_size=120, shard_photos=5, workers=1,
                       validation_fraction=0.3, test_fraction=0, on_error="skip")
folder = Path(sys.argv[1])

def survives(step, *shards):
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
    for shard in shards:
        make_catalog_records(catalog, records, config, shard=shard)
    os._exit(0)

records = folder / "unsplit"
assert survives(-1, None)
kills = 0
records = folder / "shards"
while not survives(kills, Shard(1, 2), Shard(2, 2)):
    kills += 1
last = 0
while True:
    records = folder / f"merge-{last}"
    shutil.copytree(partial_directory(folder / "shards"), partial_directory(records))
    done = survives(last, None)
    assert survives(-1, None)
    if done:
        break
    last += 1
print(kills, last)
"""


def test_killed_at_any_rename_of_a_shard_or_of_the_merge(tmp_path):
    here = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], env={"PYTHONPATH": f"{here}:{here.parent}"}, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr.decode()
    kills, kills_of_merge = map(int, ran.stdout.split())
    assert kills > 5
    assert kills_of_merge > 10
    wanted = contents(tmp_path / "unsplit")
    for merged in range(kills_of_merge + 1):
        assert contents(tmp_path / f"merge-{merged}") == wanted
    assert sorted(path.name for path in tmp_path.glob("*.partial")) == ["shards.partial"]


def test_the_command_makes_a_shard_and_says_what_is_next(tmp_path, catalog, monkeypatch, capsys):
    monkeypatch.setattr(Catalog, "open", lambda _: catalog)
    records = tmp_path / "records"
    arguments = ["--catalog", "c", "--out", str(records), "--prepare_config.backbone", "random"]
    arguments += ["--prepare_config.vocabulary_size", "120", "--prepare_config.shard_photos", "20"]
    assert main(["prepare", *arguments, "--shard", "2/2"]) == 0
    said = capsys.readouterr().out
    assert "shard 2/2 is done" in said
    assert "still to make: 2." in said
    assert not list(tmp_path.rglob("*.png"))
    catalog.reads_left = math.inf
    assert main(["prepare", *arguments, "--shard", "1/2"]) == 0
    assert "still to make: 0." in capsys.readouterr().out
    assert main(["prepare", *arguments]) == 0
    assert (records / "patches.png").exists()
    assert "shard" not in json.loads((records / "metadata.json").read_text())["config"]
    assert main(["prepare", *arguments, "--shard", "3/2"]) == 2
    assert "Received: 3/2" in capsys.readouterr().err


def test_more_shards_than_files_leave_some_nothing_to_do(tmp_path, prepare_config):
    catalog = MemoryCatalog(make_products(4))
    summary = make_catalog_records(catalog, tmp_path / "records", prepare_config, shard=Shard(40, 40))
    assert sum(summary.photos.values()) == 0
    assert summary.missing
