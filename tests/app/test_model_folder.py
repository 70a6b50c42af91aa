import random
import resource

import pytest

from kaleido.app.model_folder import load_weights, read_model_config, save_model
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.text import SentencePieceTokenizer


@pytest.fixture(scope="module")
def model():
    sizes = {"num_layers": 1, "hidden_size": 8, "num_heads": 2, "intermediate_size": 8}
    return KaleidoBert(ModelConfig(vocab_size=60, feature_size=4, **sizes), ("mlm", "itm"))


@pytest.fixture(scope="module")
def tokenizer():
    return SentencePieceTokenizer.train((f"red shirt number {i}" for i in range(50)), 60)


def test_any_flipped_bit_is_noticed_and_the_file_named(tmp_path, model, tokenizer):
    save_model(tmp_path / "model", model, "pretraining", tokenizer, labels=["A", "B"])
    load_weights(model, tmp_path / "model")
    draw = random.Random(0)
    # The model card is for people to write into.
    for path in sorted({*(tmp_path / "model").iterdir()} - {tmp_path / "model" / "README.md"}):
        content = path.read_bytes()
        for _ in range(60):
            flipped = bytearray(content)
            flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            path.write_bytes(flipped)
            with pytest.raises(UserError, match=rf"{path.name}: damaged"):
                load_weights(model, tmp_path / "model")
        path.write_bytes(content[:-1])
        with pytest.raises(UserError, match=rf"{path.name}: damaged"):
            load_weights(model, tmp_path / "model")
        path.write_bytes(content)


def test_a_full_disk_leaves_the_model_that_was_there(tmp_path, model, tokenizer):
    save_model(tmp_path / "model", model, "pretraining", tokenizer, records={"run": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (0, 1000, 20_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            with pytest.raises(UserError, match="model cannot be written"):
                save_model(tmp_path / "model", model, "pretraining", tokenizer, records={"run": 2})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        assert read_model_config(tmp_path / "model")["records"] == {"run": 1}
    save_model(tmp_path / "model", model, "pretraining", tokenizer, records={"run": 2})
    assert read_model_config(tmp_path / "model")["records"] == {"run": 2}
