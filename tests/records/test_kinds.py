"""Kinds of records that register themselves."""

import subprocess
import sys

import pytest

from kaleido import plugins
from kaleido.errors import UserError
from kaleido.records import open as opening
from kaleido.records.open import create_pipeline, open_records, register_records
from kaleido.records.pipeline import Pipeline
from kaleido.records.reader import PhotoRecords


def test_a_registered_kind_is_opened_and_batched(monkeypatch, synthetic):
    class Mine(PhotoRecords):
        KIND = "photos"

    class MyPipeline(Pipeline):
        def __init__(self, records):
            self.records = records

    monkeypatch.setattr(opening, "_KINDS", {})
    register_records(Mine, MyPipeline)
    records = open_records(synthetic, "train")
    assert type(records) is Mine
    assert type(create_pipeline(records)) is MyPipeline


def test_records_know_nothing_of_the_original():
    code = "import sys, kaleido.records.open; print([m for m in sys.modules if m.startswith('kaleido.original')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_plug_in_that_cannot_be_imported_is_named(monkeypatch):
    class Entry:
        value = "shop.records"

        def load(self):
            raise ImportError("no module named shop")

    monkeypatch.setattr(plugins, "entry_points", lambda group: [Entry()])
    with pytest.raises(UserError, match=r"shop.records.*no module named shop"):
        plugins.load_plugins.__wrapped__(plugins.RECORDS)
