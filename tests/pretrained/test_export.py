"""SavedModels, asked by a Python that knows TensorFlow alone, against the models themselves."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from model_fixtures import LABELS, TEXT_LENGTH

import kaleido
from kaleido.app.model_folder import load_model
from kaleido.errors import UserError

SHAPES = [(1, 2), (3, 17), (5, 24)]
PHOTO = [*(f"level{level}" for level in range(1, 6)), "positions"]
TEXT = ["token_ids", "token_mask"]
SIGNATURES = {
    "pretraining": ["embed", "match"],
    "category": ["embed", "classify"],
    "caption": ["embed"],
    "retrieval": ["embed", "match", "encode_text", "encode_image"],
    "contrastive": ["encode_text", "encode_image"],
}
READS = {"encode_text": TEXT, "encode_image": PHOTO}

ON_FILES = {
    "pretraining": {"embed": ["photos", "texts"], "match": ["photos", "texts"]},
    "category": {"embed": ["photos", "texts"], "classify": ["photos", "texts"]},
    "caption": {"embed": ["photos", "texts"]},
    "retrieval": {
        "embed": ["photos", "texts"],
        "match": ["photos", "texts"],
        "embed_text": ["texts"],
        "embed_image": ["photos"],
    },
    "contrastive": {"embed_text": ["texts"], "embed_image": ["photos"]},
}

ASK = """
import sys
import numpy as np
import tensorflow as tf

folder, names = sys.argv[1], sys.argv[2:]
for name in names:
    loaded = tf.saved_model.load(f"{folder}/{name}.saved/features")
    answers = {}
    for number in range(3):
        batch = {key: tf.constant(value) for key, value in np.load(f"{folder}/batch{number}.npz").items()}
        for signature, ask in loaded.signatures.items():
            reads = ask.structured_input_signature[1]
            for key, value in ask(**{array: batch[array] for array in reads}).items():
                answers[f"{signature} {key} {number}"] = value.numpy()
    np.savez(f"{folder}/{name}.npz", **answers)
assert not [module for module in sys.modules if module.startswith("kaleido")]

# tensorflow-text itself imports the Keras that TensorFlow installs. From here on nothing may.
import tensorflow_text
sys.modules |= {name: None for name in [*sys.modules, "keras", "kaleido"] if name.split(".")[0] in ("keras", "kaleido")}
photos = tf.constant([open(path, "rb").read() for path in open(f"{folder}/photos.txt").read().splitlines()])
texts = tf.constant(open(f"{folder}/texts.txt", encoding="utf-8").read().split("\\n"))
for name in names:
    answers = {}
    loaded = tf.saved_model.load(f"{folder}/{name}.saved")
    for signature, ask in loaded.signatures.items():
        given = {"photos": photos, "texts": texts}
        for key, value in ask(**{array: given[array] for array in ask.structured_input_signature[1]}).items():
            answers[f"{signature} {key}"] = value.numpy()
    np.savez(f"{folder}/{name}.files.npz", **answers)
"""

TEXTS = ["red shirt number 3", "", "BLUE  hat", "ÿ red 中 shirt " * 30]


def batch(rows, length, seed):
    random = np.random.default_rng(seed)
    lengths = random.integers(2, length + 1, rows)
    lengths[0] = length
    batch = {f"level{n}": random.normal(size=(rows, n * n, 64)).astype(np.float32) for n in range(1, 6)}
    batch["positions"] = random.random((rows, 55, 5), np.float32)
    batch["token_mask"] = (np.arange(length) < lengths[:, None]).astype(np.int32)
    batch["token_ids"] = random.integers(5, 80, (rows, length), np.int32) * batch["token_mask"]
    return batch


def expected(task, model, batch):
    """What a model gives when it is called in the plain way."""
    found = {}
    two_tower = model if task == "contrastive" else getattr(model, "two_tower", None)
    if two_tower:
        found["encode_text embedding"] = two_tower.text_embeddings(batch)
        found["encode_image embedding"] = two_tower.image_embeddings(batch)
    if task != "contrastive":
        text, levels, pooled = getattr(model, "bert", model).encode(batch)
        found |= {"embed pooled": pooled, "embed text": text, "embed patches": ops.concatenate(levels, axis=1)}
    if task == "category":
        found["classify probabilities"] = ops.softmax(model(batch)["category"])
    if task in ("pretraining", "retrieval"):
        logits = model(batch)["itm"] if task == "retrieval" else model.heads["itm"](pooled)
        found["match score"] = logits[:, 1] - logits[:, 0]
        found["match probability"] = ops.softmax(logits)[:, 1]
    return {name: ops.convert_to_numpy(values) for name, values in found.items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory, model_folders, photo_files):
    """A folder with SavedModels and their answers; making it takes half a minute or more, so its tests are slow."""
    pytest.importorskip("tensorflow_text")
    folder = tmp_path_factory.mktemp("exported")
    for task, signatures in ON_FILES.items():
        assert kaleido.load(model_folders[task]).export(folder / f"{task}.saved") == list(signatures)
    (folder / "photos.txt").write_text("\n".join(map(str, photo_files)))
    (folder / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    for number, (rows, length) in enumerate(SHAPES):
        np.savez(folder / f"batch{number}.npz", **batch(rows, length, number))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ASK, str(folder), *SIGNATURES]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("task", SIGNATURES)
def test_a_saved_model_answers_as_the_model_does(exported, model_folders, task):
    model = load_model(model_folders[task]).model
    with np.load(exported / f"{task}.npz") as answers:
        for number, (rows, length) in enumerate(SHAPES):
            wanted = expected(task, model, batch(rows, length, number))
            assert {key for key in answers if key.endswith(f" {number}")} == {f"{key} {number}" for key in wanted}
            for key, values in wanted.items():
                np.testing.assert_allclose(answers[f"{key} {number}"], values, atol=1e-5, rtol=0, err_msg=key)
            if task != "contrastive":
                assert answers[f"embed pooled {number}"].shape == (rows, 16)
                assert answers[f"embed text {number}"].shape == (rows, length, 16)
                assert answers[f"embed patches {number}"].shape == (rows, 55, 16)


@pytest.mark.slow
@pytest.mark.parametrize("task", SIGNATURES)
@pytest.mark.filterwarnings("ignore:texts cut")
def test_a_saved_model_reads_files_and_strings(exported, model_folders, photo_files, task):
    model = kaleido.load(model_folders[task])
    with np.load(exported / f"{task}.files.npz") as answers:
        found = dict(answers)
    wanted = {}
    if task in ("retrieval", "contrastive"):
        wanted |= {
            "embed_image embedding": model.encode_image(photo_files),
            "embed_text embedding": model.encode_text(TEXTS),
        }
    if task != "contrastive":
        wanted["embed pooled"] = model.embed(photo_files, TEXTS)
    if task in ("pretraining", "retrieval"):
        wanted["match probability"] = model.match(photo_files, TEXTS)
    if task == "category":
        rows = model.classify(photo_files, TEXTS, top=len(LABELS))
        wanted["classify probabilities"] = [[dict(row)[label] for label in LABELS] for row in rows]
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4, rtol=0, err_msg=name)
    assert {name.split()[0] for name in found} == set(ON_FILES[task])


@pytest.mark.slow
def test_what_a_server_needs_lies_beside_it(exported, model_folders):
    extra = exported / "category.saved" / "assets.extra"
    assert (extra / "labels.txt").read_text(encoding="utf-8").splitlines() == LABELS
    vocabulary = model_folders["category"] / "sentencepiece.model"
    assert (extra / "sentencepiece.model").read_bytes() == vocabulary.read_bytes()
    about = json.loads((extra / "kaleido.json").read_text())
    assert about["labels"] == LABELS and about["task"] == "category"
    assert about["signatures"] == ON_FILES["category"] and about["left_out"] == {}
    assert about["features"] == {"embed": [*TEXT, *PHOTO], "classify": [*TEXT, *PHOTO]}
    assert about["text"]["max_text_length"] == TEXT_LENGTH and about["text"]["special_ids"]["cls"] == 2
    assert about["photos"]["backbone"] == "random"
    about = json.loads((exported / "retrieval.saved" / "assets.extra" / "kaleido.json").read_text())
    assert {name: about["features"][name] for name in READS} == READS
    assert not (exported / "retrieval.saved" / "assets.extra" / "labels.txt").exists()


@pytest.mark.slow
def test_heads_that_no_answer_needs_stay_behind(exported, model_folders):
    import tensorflow as tf

    names = [name for name, _ in tf.train.list_variables(exported / "pretraining.saved/features/variables/variables")]
    model = load_model(model_folders["pretraining"]).model
    needed = [
        w for layer in ("text_embedding", "patch_embedding", "encoder", "pooler") for w in getattr(model, layer).weights
    ]
    needed += model.heads["itm"].weights
    assert len([name for name in names if name.startswith("variables_of_answers")]) == len(needed) < len(model.weights)


@pytest.mark.slow
def test_only_an_exported_model_is_replaced(exported, model_folders, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    model = kaleido.load(model_folders["caption"])
    for other in (tmp_path / "mine", model_folders["caption"]):
        before = sorted(other.iterdir())
        with pytest.raises(UserError, match="holds other files than an exported model"):
            model.export(other)
        assert sorted(other.iterdir()) == before
    for other in (tmp_path / "mine" / "thesis.tex", Path()):
        with pytest.raises(UserError, match="name a new folder"):
            model.export(other)
    stale = exported / "caption.saved" / "assets.extra" / "stale.txt"
    stale.write_text("of an earlier export")
    assert model.export(exported / "caption.saved") == ["embed"]
    assert not stale.exists() and not [*exported.glob(".*")]


def test_a_model_without_a_head_cannot_match(model_folders):
    from kaleido.model.kaleido_bert import KaleidoBert

    saved = load_model(model_folders["pretraining"])
    assert [*saved.application.signatures(KaleidoBert(saved.model.config, ("mlm", "grey")))] == ["embed"]


def test_another_backend_cannot_export(model_folders, tmp_path, monkeypatch):
    model = kaleido.load(model_folders["caption"])
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match=r"KERAS_BACKEND=tensorflow.*Received: jax"):
        model.export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", ["retrieval", "category"])
def test_onnx_files_answer_as_the_model_does(model_folders, tmp_path, task):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    with pytest.warns(UserWarning, match="backbone is left out: random is no network"):
        assert kaleido.load(model_folders[task]).export(tmp_path / "onnx", format="onnx") == SIGNATURES[task]
    model = load_model(model_folders[task]).model
    sessions = {
        name: onnxruntime.InferenceSession(tmp_path / "onnx" / f"{name}.onnx", providers=["CPUExecutionProvider"])
        for name in SIGNATURES[task]
    }
    for number, (rows, length) in enumerate(SHAPES):
        given = batch(rows, length, number)
        for key, values in expected(task, model, given).items():
            name, output = key.split()
            read = {array.name: given[array.name] for array in sessions[name].get_inputs()}
            (found,) = sessions[name].run([output], read)
            np.testing.assert_allclose(found, values, atol=1e-4, rtol=0, err_msg=key)
    about = json.loads((tmp_path / "onnx" / "assets.extra" / "kaleido.json").read_text())
    assert list(about["signatures"]) == SIGNATURES[task] and "backbone" in about["left_out"]


def test_what_cannot_be_put_into_the_graph_is_left_out(model_folders, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.warns(UserWarning, match=r"embed_text is left out: tensorflow-text is not installed: pip install"):
        assert kaleido.load(model_folders["contrastive"]).export(tmp_path / "out") == ["embed_image"]
    about = json.loads((tmp_path / "out" / "assets.extra" / "kaleido.json").read_text())
    assert list(about["left_out"]) == ["embed_text"] and list(about["features"]) == ["encode_text", "encode_image"]


@pytest.mark.slow
def test_the_example_of_the_docs_runs_without_kaleido(exported, model_folders, photo_files, tmp_path):
    pytest.importorskip("tensorflow_text")
    docs = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall("```python\n(.*?)```", docs, re.DOTALL) if "embed_image" in block]
    (tmp_path / "serving" / "search").mkdir(parents=True)
    shutil.copytree(exported / "contrastive.saved", tmp_path / "serving" / "search" / "1")
    (tmp_path / "photos").mkdir()
    for path in photo_files:
        shutil.copy(path, tmp_path / "photos")
    code = f"import sys; sys.modules['kaleido'] = None\n{example}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    model = kaleido.load(model_folders["contrastive"])
    wanted = model.encode_image(photo_files) @ model.encode_text("red dress with long sleeves")[0]
    lines = [f"{cosine:.3f} photos/{path.name}" for cosine, path in zip(wanted, photo_files)]
    assert done.stdout.splitlines() == lines
