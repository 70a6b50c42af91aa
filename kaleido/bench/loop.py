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

_VOCABULARY_SIZE = 1000


def benchmark_loop(
    model: ModelSection, train: TrainConfig, feature_size: int, text_length: int, workers: int, photos: int = 2000
) -> dict[str, float]:
    """Trains on random records, with logging and a checkpoint in the middle, between two times of the bare step.

    Args:
        model: Architecture.
        train: Batch size, precision, steps to train.
        feature_size: Length D of a patch feature.
        text_length: Text positions T, at most.
        workers: Threads that make batches.
        photos: Records to write.

    Returns:
        `examples_per_second` of the loop, `step_examples_per_second` of the step on one batch without reading, and
        `share_of_step`, the first over the second.
    """
    tokenizer = SimpleNamespace(
        vocab_size=_VOCABULARY_SIZE, pad_id=0, unk_id=1, cls_id=2, sep_id=3, mask_id=4, special_ids=range(5)
    )
    with tempfile.TemporaryDirectory() as folder, progress_bars(False):
        records = Path(folder) / "records"
        # Texts so long that the longest of a batch fills all positions: one shape, one compilation.
        write_synthetic(
            records, feature_size, {"train": photos}, vocabulary_size=_VOCABULARY_SIZE, longest_text=2 * text_length
        )
        config = PipelineConfig(workers=workers, max_text_length=text_length)
        pipeline = Pipeline(PhotoRecords.open(records, "train"), config, tokenizer, train.batch_size)
        steps = train.total_steps(photos)
        train = replace(train, save_every=-(-steps // 2), tensorboard=False)
        step = create_step(RandomPretraining(model.resolve(_VOCABULARY_SIZE, feature_size)), train, total_steps=steps)
        batch = pipeline.batch(0)
        step.fetch(step.train(batch))
        bare = [step_seconds(step, batch, steps // 2)]
        started = time.monotonic()
        Engine(step, Path(folder) / "run", train, steps).train(pipeline)
        elapsed = (time.monotonic() - started) / steps
        bare.append(step_seconds(step, batch, steps // 2))
    alone = sum(bare) / len(bare)
    return {
        "examples_per_second": train.batch_size / elapsed,
        "step_examples_per_second": train.batch_size / alone,
        "share_of_step": alone / elapsed,
    }
