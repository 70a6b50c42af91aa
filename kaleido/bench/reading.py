"""Measures how fast batches are made of records."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from kaleido.bench.synthetic import write_synthetic
from kaleido.records.config import PipelineConfig
from kaleido.records.partners import GROUP
from kaleido.records.pipeline import Pipeline
from kaleido.records.reader import PhotoRecords
from kaleido.vision.crops import FEATURES

_VOCABULARY_SIZE = 1000

PAIRS = 12
"""Aligned pairs per photo, as many as the wardrobe's photos have."""


def benchmark_reading(
    seconds: float = 10.0, feature_size: int = 2048, batch_size: int = 64, workers: int = 2, photos: int = 2000
) -> dict[str, float]:
    """Writes random records, then times reading them at random into training batches.

    The files stay in the page cache, as those of a catalogue that fits into memory do; the disk is not measured.

    Args:
        seconds: Time to measure for, after one uncounted second.
        feature_size: Length D of a feature vector.
        batch_size: Rows of a batch.
        workers: Threads that make batches.
        photos: Records to write.

    Returns:
        `examples_per_second`, `bytes_per_example` (at least: a record's vectors read once, its part of the batch
        written once), `reading_ms` and `batch_ms` (one thread: reading a batch's records, and all of its making), and
        `guided_examples_per_second`, the rate with aligned pairs in the records (12 a photo), measured in alternation
        with the first.
    """
    tokenizer = SimpleNamespace(
        vocab_size=_VOCABULARY_SIZE, pad_id=0, unk_id=1, cls_id=2, sep_id=3, mask_id=4, special_ids=range(5)
    )
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "records"
        write_synthetic(directory, feature_size, {"train": photos}, vocabulary_size=_VOCABULARY_SIZE)
        records = PhotoRecords.open(directory, "train")
        pipeline = Pipeline(records, PipelineConfig(workers=workers), tokenizer, batch_size)
        aligned = Path(folder) / "aligned"
        write_synthetic(aligned, feature_size, {"train": photos}, vocabulary_size=_VOCABULARY_SIZE, pairs_a_photo=PAIRS)
        guided = Pipeline(PhotoRecords.open(aligned, "train"), PipelineConfig(workers=workers), tokenizer, batch_size)
        # In alternation: the machine's speed changes from second to second by more than the two differ.
        turns = [[_rate(each, seconds / 6) for each in (pipeline, guided)] for _ in range(3)]
        rate, guided_rate = np.mean(turns, axis=0).tolist()
        order = np.random.default_rng(0)
        groups = batch_size / GROUP
        reading = groups * _milliseconds(lambda: records.views(order.integers(0, photos, GROUP)))
        step = iter(range(10**9))
        whole = _milliseconds(lambda: pipeline.batch(next(step)))
        batch = pipeline.batch(0)
    written = sum(array.nbytes for array in batch.values()) / batch_size
    read = FEATURES * feature_size * np.dtype(np.float16).itemsize
    return {
        "examples_per_second": rate,
        "guided_examples_per_second": guided_rate,
        "bytes_per_example": read + written,
        "reading_ms": reading,
        "batch_ms": whole,
    }


def _rate(pipeline: Pipeline, seconds: float) -> float:
    batches = pipeline.iterate()
    warm = time.perf_counter() + 1
    while time.perf_counter() < warm:
        next(batches)
    started, examples = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        examples += len(next(batches)["itm_label"])
    batches.close()
    return examples / elapsed


def _milliseconds(work: Callable[[], object], times: int = 50) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times * 1e3
