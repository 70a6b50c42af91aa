import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaleido.__main__ import main
from kaleido.app.model_folder import load_model
from kaleido.errors import UserError
from kaleido.model.config import Compatibility, ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.original.checkpoint import PREFIX, OriginalCheckpoint, save_original, variable_table

SIZES = dict(vocab_size=40, feature_size=6, num_layers=2, hidden_size=8, num_heads=2, intermediate_size=12)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    quirks = Compatibility(original=True)
    return KaleidoBert(ModelConfig(**SIZES, max_position_embeddings=16, segment_vocab_size=3, compatibility=quirks))


@pytest.fixture
def checkpoint(model, tmp_path):
    save_original(model, tmp_path / "kaleidobert.ckpt-7")
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 2}))
    return tmp_path / "kaleidobert.ckpt-7"


def write(path, arrays):
    tf.raw_ops.SaveV2(
        prefix=str(path), tensor_names=list(arrays), shape_and_slices=[""] * len(arrays), tensors=list(arrays.values())
    )
    return path


def read(path):
    reader = tf.train.load_checkpoint(str(path))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_the_table_names_every_variable_once(model):
    targets = [id(target.variable) for target in variable_table(model).values()]
    assert sorted(targets) == sorted(map(id, model.weights))


def test_there_and_back(model, checkpoint):
    found = OriginalCheckpoint(checkpoint)
    config = found.model_config()
    assert config.to_dict() == model.config.to_dict()
    copy = KaleidoBert(config)
    found.load_into(copy)
    for ours, theirs in zip(copy.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


def test_shapes_are_the_originals(model, checkpoint):
    arrays = read(checkpoint)
    assert set(arrays) == set(variable_table(model))
    assert arrays[PREFIX + "cls/img_jigsaw/jiasaw_output_weights"].shape == (24, 4 * 8)
    assert arrays[PREFIX + "cls/img_blankmask/blanmask_output_weights"].shape == (8, 6)
    assert arrays[PREFIX + "bert/blank_embeddings/blankmask_type_embeddings"].shape == (3, 8)


def test_what_an_optimizer_keeps_is_recognised(checkpoint, tmp_path):
    arrays = read(checkpoint)
    slots = {f"{name}/{slot}": value for name, value in arrays.items() for slot in ("Adam", "Adam_1")}
    scalars = {"global_step": np.int64(50683), "beta1_power": np.float32(0.9), "beta2_power": np.float32(0.98)}
    found = OriginalCheckpoint(write(tmp_path / "full.ckpt-1", arrays | slots | scalars))
    assert found.step == 50683
    found.load_into(KaleidoBert(found.model_config()))


def test_everything_that_does_not_fit_is_listed_and_nothing_changed(model, checkpoint, tmp_path):
    arrays = read(checkpoint)
    del arrays[PREFIX + "bert/pooler/dense/bias"]
    arrays[PREFIX + "cls/img_jigsaw/jigsaw_output_weights"] = np.zeros((24, 32), np.float32)
    arrays["bert/pooler/dense/bias/Adam"] = np.zeros(8, np.float32)
    arrays[PREFIX + "bert/pooler/dense/kernel"] = np.zeros((8, 9), np.float32)
    found = OriginalCheckpoint(write(tmp_path / "bad.ckpt-1", arrays))
    before = [np.array(variable) for variable in model.weights]
    with pytest.raises(UserError) as error:
        found.load_into(model)
    for part in (
        f"{PREFIX}bert/pooler/dense/bias is missing",
        f"{PREFIX}cls/img_jigsaw/jigsaw_output_weights is not known",
        "bert/pooler/dense/bias/Adam is not known",
        f"{PREFIX}bert/pooler/dense/kernel is (8, 9), the model wants (8, 8)",
    ):
        assert part in str(error.value)
    for variable, value in zip(model.weights, before):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"hidden_size": 16}, "hidden_size 16, not 8"),
        ({"img_jigsaw_label_num": 23}, "img_jigsaw_label_num 23, not 24"),
    ],
)
def test_a_config_that_says_otherwise(checkpoint, said, words):
    (checkpoint.parent / "config.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match=words):
        OriginalCheckpoint(checkpoint).model_config()


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_checkpoint_that_was_cut_off(checkpoint, tmp_path, capsys, part):
    path = checkpoint.with_name(f"{checkpoint.name}.{part}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert main(["weights", "import-original", str(checkpoint), "--out", str(tmp_path / "model")]) == 2
    error = capsys.readouterr().err
    assert str(checkpoint) in error and error.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_the_commands(model, checkpoint, tmp_path, capsys):
    assert main(["weights", "import-original", str(checkpoint), "--out", str(tmp_path / "model")]) == 0
    assert "2 heads" in capsys.readouterr().out
    np.testing.assert_array_equal(load_model(tmp_path / "model").model.pooler.kernel, model.pooler.kernel)
    options = ["--model", str(tmp_path / "model"), "--out", str(tmp_path / "out" / "again.ckpt-0")]
    assert main(["weights", "export-original", *options]) == 0
    again, arrays = read(tmp_path / "out" / "again.ckpt-0"), read(checkpoint)
    assert set(again) == set(arrays)
    for name in arrays:
        np.testing.assert_array_equal(again[name], arrays[name])
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".index", ".data-00000-of-00001"}


def test_no_checkpoint(tmp_path, capsys):
    assert main(["weights", "import-original", str(tmp_path / "a.ckpt-1"), "--out", str(tmp_path / "model")]) == 2
    assert "get_checkpoint.sh" in capsys.readouterr().err


def test_a_model_without_all_heads_cannot_be_the_originals(tmp_path):
    model = KaleidoBert(ModelConfig(**SIZES), tasks=("mlm", "itm"))
    with pytest.raises(UserError, match="lacks rotation, jigsaw"):
        save_original(model, tmp_path / "a.ckpt-1")
