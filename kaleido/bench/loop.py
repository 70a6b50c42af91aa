"""Measures what the training loop leaves of a step's rate."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from kaleido.app.config import ModelSection, TrainConfig
from kaleido.app.engine import Engine
from kaleido.app.steps import create_step
from kaleido.bench.synthetic import write_synthetic
from kaleido.bench.training import RandomPretraining, step_seconds
from kaleido.progress import progress_bars
from kaleido.records.config import PipelineConfig
from kaleido.records.pipeline import Pipeline
from kaleido.records.reader import PhotoRecords
from kaleido.text import load_tokenizer

_VOCABULARY_SIZE = 1000
_BATCHES = 8
"""Batches that the bare step takes in turn, since those of records have texts of different lengths."""


def benchmark_loop(
    model: ModelSection,
    train: TrainConfig,
    feature_size: int,
    text_length: int,
    workers: int,
    photos: int = 2000,
    records: Path | None = None,
) -> dict[str, float]:
    """Trains on records, with logging and a checkpoint in the middle, between two times of the bare step.

    Args:
        model: Architecture.
        train: Batch size, precision, steps to train.
        feature_size: Length D of a patch feature, of random records.
        text_length: Text positions T, at most.
        workers: Threads that make batches.
        photos: Random records to write.
        records: Folder of photo records to train on; None for random ones.

    Returns:
        `examples_per_second` of the loop, `step_examples_per_second` of the step on batches in memory, and
        `share_of_step`, the first over the second.
    """
    with tempfile.TemporaryDirectory() as folder, progress_bars(False):
        if records is None:
            tokenizer = SimpleNamespace(
                vocab_size=_VOCABULARY_SIZE, pad_id=0, unk_id=1, cls_id=2, sep_id=3, mask_id=4, special_ids=range(5)
            )
            records = Path(folder) / "records"
            # Texts so long that the longest of a batch fills all positions: one shape, one compilation.
            write_synthetic(
                records, feature_size, {"train": photos}, vocabulary_size=_VOCABULARY_SIZE, longest_text=2 * text_length
            )
        else:
            tokenizer = load_tokenizer(records)
        opened = PhotoRecords.open(records, "train")
        config = PipelineConfig(workers=workers, max_text_length=text_length)
        pipeline = Pipeline(opened, config, tokenizer, train.batch_size)
        steps = train.total_steps(len(opened))
        train = replace(train, save_every=-(-steps // 2), tensorboard=False)
        architecture = model.resolve(tokenizer.vocab_size, opened.feature_size)
        step = create_step(RandomPretraining(architecture), train, total_steps=steps)
        batches = [pipeline.batch(number) for number in range(_BATCHES)]
        for batch in batches:
            step.fetch(step.train(batch))
        bare = [step_seconds(step, batches, steps // 2)]
        started = time.monotonic()
        Engine(step, Path(folder) / "run", train, steps).train(pipeline)
        elapsed = (time.monotonic() - started) / steps
        bare.append(step_seconds(step, batches, steps // 2))
    alone = sum(bare) / len(bare)
    return {
        "examples_per_second": train.batch_size / elapsed,
        "step_examples_per_second": train.batch_size / alone,
        "share_of_step": alone / elapsed,
    }
