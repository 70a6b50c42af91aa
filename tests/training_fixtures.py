from dataclasses import replace
from pathlib import Path

import pytest

from kaleido.app.config import EvaluateConfig, ModelSection, OptimizerConfig, PretrainConfig, PretrainTrainConfig
from kaleido.bench.synthetic import write_synthetic
from kaleido.records.config import PipelineConfig
from kaleido.text import SentencePieceTokenizer


@pytest.fixture(scope="session")
def records(tmp_path_factory) -> Path:
    """Records of random features, with a vocabulary."""
    return write_records(tmp_path_factory.mktemp("synthetic") / "records", {"train": 48, "validation": 20})


def write_records(directory: Path, splits: dict[str, int]) -> Path:
    """Writes records of random features, D = 12, with a vocabulary."""
    tokenizer = SentencePieceTokenizer.train((f"red shirt blue jeans number {i}" for i in range(300)), 200)
    write_synthetic(directory, 12, splits, vocabulary_size=tokenizer.vocab_size, longest_text=20)
    tokenizer.save(directory)
    return directory


@pytest.fixture
def config(records, tmp_path) -> PretrainConfig:
    """A training of seconds."""
    return training_config(records, tmp_path / "run")


def training_config(records: Path, out: Path) -> PretrainConfig:
    """Makes the configuration of a training of seconds."""
    return PretrainConfig(
        records=str(records),
        out=str(out),
        seed=3,
        preprocess_config=PipelineConfig(max_text_length=24),
        model_config=ModelSection("tiny", num_layers=1, hidden_size=16, num_heads=2, intermediate_size=32),
        train_config=PretrainTrainConfig(
            batch_size=8,
            steps=8,
            log_every=2,
            save_every=3,
            optimizer_config=OptimizerConfig(learning_rate=3e-3),
        ),
        evaluate_config=EvaluateConfig(batch_size=10, every=4),
    )


@pytest.fixture(scope="session")
def change():
    """`change(config, **{"train_config.steps": 3})`: a copy with dotted keys replaced."""

    def apply(config, **values):
        for key, value in values.items():
            head, _, rest = key.partition(".")
            config = replace(config, **{head: apply(getattr(config, head), **{rest: value}) if rest else value})
        return config

    return apply
