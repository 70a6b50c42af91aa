"""SavedModels, asked by a Python that knows TensorFlow alone, against the models themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from kaleido.pretrained.signatures import signatures_of
from keras import ops

from kaleido.app.model_folder import load_model, save_model
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.pretrained.export import export_saved_model
from kaleido.tasks.captioning.model import Captioner
from kaleido.tasks.classification.model import Classifier
from kaleido.tasks.matching.matcher import Matcher
from kaleido.tasks.matching.two_tower import Towers
from kaleido.text import SentencePieceTokenizer

NAMES = ["dresses", "shoes, flat", "été"]
SHAPES = [(1, 2), (3, 17), (5, 24)]
SIGNATURES = {
    "pretrained": ["embed", "match"],
    "recognizer": ["embed", "classify"],
    "captioner": ["embed"],
    "matcher": ["embed", "match"],
}

ASK = """
import sys
import numpy as np
import tensorflow as tf

folder, names = sys.argv[1], sys.argv[2:]
for name in names:
    loaded = tf.saved_model.load(f"{folder}/{name}.saved")
    answers = {}
    for number in range(3):
        batch = {key: tf.constant(value) for key, value in np.load(f"{folder}/batch{number}.npz").items()}
        for signature, ask in loaded.signatures.items():
            for key, value in ask(**batch).items():
                answers[f"{signature} {key} {number}"] = value.numpy()
    np.savez(f"{folder}/{name}.npz", **answers)
assert not [module for module in sys.modules if module.startswith("kaleido")]
"""


def models():
    # Weights are large, so that answers differ.
    sizes = {"num_layers": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32, "initializer_range": 0.3}
    config = ModelConfig(vocab_size=60, feature_size=4, **sizes)
    return {
        "pretrained": KaleidoBert(config),
        "recognizer": Classifier(config, "category", len(NAMES)),
        "captioner": Captioner(config, "causal"),
        "matcher": Matcher(config),
    }


def batch(rows, length, seed):
    random = np.random.default_rng(seed)
    lengths = random.integers(2, length + 1, rows)
    lengths[0] = length
    batch = {f"level{n}": random.normal(size=(rows, n * n, 4)).astype(np.float32) for n in range(1, 6)}
    batch["positions"] = random.random((rows, 55, 5), np.float32)
    batch["token_mask"] = (np.arange(length) < lengths[:, None]).astype(np.int32)
    batch["token_ids"] = random.integers(5, 60, (rows, length), np.int32) * batch["token_mask"]
    return batch


def expected(model, batch):
    """What a model says when it is called in the plain way."""
    bert = getattr(model, "bert", model)
    text, levels, pooled = bert.encode(batch)
    found = {"embed pooled": pooled, "embed text": text, "embed patches": ops.concatenate(levels, axis=1)}
    if isinstance(model, Classifier):
        found["classify probabilities"] = ops.softmax(model(batch)["category"])
    if isinstance(model, Matcher):
        found["embed text_direction"] = model.text_directions(batch)
        found["embed photo_direction"] = model.photo_directions(batch)
    if "itm" in model.tasks:
        logits = model(batch)["itm"] if isinstance(model, Matcher) else model.heads["itm"](pooled)
        found["match score"] = logits[:, 1] - logits[:, 0]
        found["match probability"] = ops.softmax(logits)[:, 1]
    return {name: ops.convert_to_numpy(values) for name, values in found.items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with models, their SavedModels, and the answers of these."""
    folder = tmp_path_factory.mktemp("exported")
    keras.utils.set_random_seed(0)
    tokenizer = SentencePieceTokenizer.train((f"red shirt number {i}" for i in range(50)), 60)
    for name, model in models().items():
        labels = NAMES if name == "recognizer" else ()
        task_config = {"max_text_length": 20, "caption_config": {"decoder": "causal"}}
        save_model(folder / name, model, tokenizer, {"config": {"backbone": "random"}}, labels, task_config)
        assert export_saved_model(folder / name, folder / f"{name}.saved") == SIGNATURES[name]
    for number, (rows, length) in enumerate(SHAPES):
        np.savez(folder / f"batch{number}.npz", **batch(rows, length, number))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ASK, str(folder), *SIGNATURES]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_saved_model_answers_as_the_model_does(exported, name):
    model = load_model(exported / name)
    with np.load(exported / f"{name}.npz") as answers:
        for number, (rows, length) in enumerate(SHAPES):
            wanted = expected(model, batch(rows, length, number))
            assert {key for key in answers if key.endswith(f" {number}")} == {f"{key} {number}" for key in wanted}
            for key, values in wanted.items():
                np.testing.assert_allclose(answers[f"{key} {number}"], values, atol=1e-5, rtol=0, err_msg=key)
            assert answers[f"embed pooled {number}"].shape == (rows, 16)
            assert answers[f"embed text {number}"].shape == (rows, length, 16)
            assert answers[f"embed patches {number}"].shape == (rows, 55, 16)


def test_what_a_server_needs_lies_beside_it(exported):
    extra = exported / "recognizer.saved" / "assets.extra"
    assert (extra / "labels.txt").read_text(encoding="utf-8").splitlines() == NAMES
    assert (extra / "sentencepiece.model").read_bytes() == (exported / "recognizer/sentencepiece.model").read_bytes()
    about = json.loads((extra / "kaleido.json").read_text())
    assert about["labels"] == NAMES and about["signatures"] == ["embed", "classify"]
    assert about["text"]["max_text_length"] == 20 and about["text"]["special_ids"]["cls"] == 2
    assert about["photos"] == {"backbone": "random"}
    assert not (exported / "matcher.saved" / "assets.extra" / "labels.txt").exists()


def test_heads_that_no_answer_needs_stay_behind(exported):
    import tensorflow as tf

    names = [name for name, _ in tf.train.list_variables(exported / "pretrained.saved/variables/variables")]
    model = load_model(exported / "pretrained")
    needed = [
        w for layer in ("text_embedding", "patch_embedding", "encoder", "pooler") for w in getattr(model, layer).weights
    ]
    needed += model.heads["itm"].weights
    assert len([name for name in names if name.startswith("variables_of_answers")]) == len(needed) < len(model.weights)


def test_only_an_exported_model_is_replaced(exported, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    for other in (tmp_path / "mine", exported / "captioner"):
        before = sorted(other.iterdir())
        with pytest.raises(UserError, match="holds other files than an exported model"):
            export_saved_model(exported / "captioner", other)
        assert sorted(other.iterdir()) == before
    for other in (tmp_path / "mine" / "thesis.tex", Path()):
        with pytest.raises(UserError, match="name a new folder"):
            export_saved_model(exported / "captioner", other)
    stale = exported / "captioner.saved" / "assets.extra" / "stale.txt"
    stale.write_text("of an earlier export")
    assert export_saved_model(exported / "captioner", exported / "captioner.saved") == ["embed"]
    assert not stale.exists() and not [*exported.glob(".*")]


def test_a_model_without_a_head_cannot_match(exported):
    config = load_model(exported / "pretrained").config
    assert [*signatures_of(KaleidoBert(config, ("mlm", "grey")))] == ["embed"]


def test_what_cannot_be_exported(exported, tmp_path, monkeypatch):
    towers = Towers(ModelConfig(vocab_size=60, feature_size=4, hidden_size=16, num_heads=2))
    save_model(tmp_path / "towers", towers, None, {})
    with pytest.raises(UserError, match="towers without an encoder answer none of embed, classify and match"):
        export_saved_model(tmp_path / "towers", tmp_path / "out")
    with pytest.raises(UserError, match="no saved model here"):
        export_saved_model(tmp_path, tmp_path / "out")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match=r"KERAS_BACKEND=tensorflow.*Received: jax"):
        export_saved_model(exported / "captioner", tmp_path / "out")
    assert not (tmp_path / "out").exists()
