"""Measures how fast batches are made of records."""

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from kaleido.bench.synthetic import write_synthetic
from kaleido.progress import progress_bars
from kaleido.records.config import PipelineConfig
from kaleido.records.corruption import gather
from kaleido.records.pipeline import Pipeline
from kaleido.records.reader import PhotoRecords

_VOCABULARY_SIZE = 1000

BATCH_ROWS = 60
"""Vectors of a photo in a batch: 55 patches and 5 targets."""

PAIRS = 12
"""Aligned pairs per photo, as many as the wardrobe's photos have."""


def benchmark_reading(
    seconds: float = 10.0, feature_size: int = 2048, batch_size: int = 64, workers: int = 2, photos: int = 2000
) -> dict[str, float]:
    """Writes random records, then times reading them at random into training batches.

    The files stay in the page cache, as those of a catalogue that fits into memory do; the disk is not measured.

    Args:
        seconds: Time to measure for; each rate comes after as long uncounted, a second at most.
        feature_size: Length D of a feature vector.
        batch_size: Rows of a batch.
        workers: Largest number of threads and of processes that make batches.
        photos: Records to write.

    Returns:
        `threads_N_examples_per_second` and `processes_N_examples_per_second` for 1, 2, 4, ... workers;
        `examples_per_second`, the larger of the two with all workers, and `guided_examples_per_second`, the same with
        aligned pairs in the records (12 a photo); `rows_examples_per_second`, batches for features on the device, with
        2 threads; `bytes_per_example` (at least: its vectors read once, its part of the batch written once); and
        `gather_ms` and `batch_ms` (one thread: copying a batch's vectors, and all of its making).
    """
    tokenizer = SimpleNamespace(
        vocab_size=_VOCABULARY_SIZE, pad_id=0, unk_id=1, cls_id=2, sep_id=3, mask_id=4, special_ids=range(5)
    )
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "records"
        write_synthetic(directory, feature_size, {"train": photos}, vocabulary_size=_VOCABULARY_SIZE)
        aligned = Path(folder) / "aligned"
        write_synthetic(aligned, feature_size, {"train": photos}, vocabulary_size=_VOCABULARY_SIZE, pairs_a_photo=PAIRS)

        def pipeline(kind: str, count: int, directory: Path = directory) -> Pipeline:
            config = PipelineConfig(workers=count, worker_kind=kind)
            return Pipeline(PhotoRecords.open(directory, "train"), config, tokenizer, batch_size)

        counts = sorted({workers, *(2**power for power in range(workers.bit_length()))})
        kinds = [(kind, count) for kind in ("threads", "processes") for count in counts]
        share = seconds / (len(kinds) + 2)
        rates = {f"{kind}_{count}_examples_per_second": _rate(pipeline(kind, count), share) for kind, count in kinds}
        best = max(("threads", "processes"), key=lambda kind: rates[f"{kind}_{workers}_examples_per_second"])
        rows = pipeline("threads", 2)
        rows.on_device = True
        rates |= {
            "examples_per_second": rates[f"{best}_{workers}_examples_per_second"],
            "guided_examples_per_second": _rate(pipeline(best, workers, aligned), share),
            "rows_examples_per_second": _rate(rows, share),
        }
        one = pipeline("threads", 1)
        step, order = itertools.count(), np.random.default_rng(0)
        chosen = order.integers(0, len(one.records.table), (batch_size, BATCH_ROWS))
        gathering = _milliseconds(lambda: gather(one.records.table, {"all": chosen}))
        whole = _milliseconds(lambda: one.batch(next(step)))
        batch = one.batch(0)
    written = sum(array.nbytes for array in batch.values()) / batch_size
    read = BATCH_ROWS * feature_size * np.dtype(np.float16).itemsize
    return rates | {"bytes_per_example": read + written, "gather_ms": gathering, "batch_ms": whole}


def _rate(pipeline: Pipeline, seconds: float) -> float:
    with progress_bars(False):
        batches = pipeline.iterate()
        warm = time.perf_counter() + min(1.0, seconds)
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
