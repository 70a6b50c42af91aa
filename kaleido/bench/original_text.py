"""Measures how fast the original release's text files are read."""

import tempfile
import time
from pathlib import Path

import numpy as np

from kaleido.original.schema import Schema
from kaleido.original.text_files import TextFiles

_LINES, _REPEATS = 8, 32


def benchmark_text(
    seconds: float = 10.0, feature_size: int = 2048, batch_size: int = 64, workers: int = 2
) -> dict[str, float]:
    """Writes pre-training examples like the original's, six digits a number, then times reading them into columns.

    The file, 270 MB at the original's feature size, stays in the page cache; the disk is not measured.

    Args:
        seconds: Time to measure for, after the compilation of the reader.
        feature_size: Length D of a feature vector.
        batch_size: Examples of a batch.
        workers: Threads that read numbers.

    Returns:
        `examples_per_second`, `text_bytes_per_second`, `processor_ms` (of all threads, an example) and
        `bytes_per_example` (at least: its text read once, its numbers written once).
    """
    schema = Schema.published("pretraining", feature_size)
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "data.txt")
        file.write_text("".join(_line(schema, random) for _ in range(_LINES)) * _REPEATS)
        files = TextFiles([file])
        columns = next(files.batches(1))
        started, begun, examples = time.perf_counter(), time.process_time(), 0
        while (elapsed := time.perf_counter() - started) < seconds:
            for batch in files.batches(batch_size, workers):
                examples += len(batch["input_ids"])
        text = files.size / (_LINES * _REPEATS)
    return {
        "examples_per_second": examples / elapsed,
        "text_bytes_per_second": text * examples / elapsed,
        "processor_ms": 1e3 * (time.process_time() - begun) / examples,
        "bytes_per_example": text + sum(column.nbytes for column in columns.values()),
    }


def _line(schema: Schema, random: np.random.Generator) -> str:
    """Writes a line with features like ResNet's, most of them below one, and arbitrary whole numbers."""
    values = (
        random.exponential(0.45, column.length) if column.type == "float" else random.integers(0, 2, column.length)
        for column in schema.columns
    )
    return "\t".join(",".join(f"{value:g}" for value in column) for column in values) + "\n"
