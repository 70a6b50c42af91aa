from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from kaleido.constants import TASKS
from kaleido.errors import UserError
from kaleido.model.config import Compatibility, LossConfig, ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert


def to_numpy(logits):
    return {task: ops.convert_to_numpy(values) for task, values in logits.items()}


def test_logits_have_the_promised_shapes(small_config, batch):
    logits = to_numpy(KaleidoBert(small_config)(batch))
    shapes = {task: values.shape for task, values in logits.items()}
    assert shapes == {
        "mlm": (4, 3, 50),
        "itm": (4, 2),
        "rotation": (4, 4),
        "jigsaw": (4, 24),
        "camouflage": (4, 9),
        "grey": (4, 2, 12),
        "blank": (4, 3, 12),
    }


INPUTS = ("token_ids", "token_mask", "positions", "level1", "level2", "level3", "level4", "level5")


def test_inference_needs_no_labels(small_config, batch):
    model = KaleidoBert(small_config)
    whole = to_numpy(model(batch))
    bare = to_numpy(model({name: batch[name] for name in INPUTS}))
    assert list(bare) == ["itm", "rotation", "jigsaw", "camouflage"]
    for task, logits in bare.items():
        np.testing.assert_array_equal(logits, whole[task])
    masked = to_numpy(model({name: batch[name] for name in (*INPUTS, "mlm_positions", "blank_positions")}))
    assert list(masked) == ["mlm", "itm", "rotation", "jigsaw", "camouflage", "blank"]
    np.testing.assert_array_equal(masked["mlm"], whole["mlm"])


@pytest.mark.parametrize("task", ["mlm", "grey", "blank"])
def test_training_leaves_no_task_out(small_config, batch, task):
    del batch[f"{task}_positions"]
    with pytest.raises(KeyError, match=f"{task}_positions"):
        KaleidoBert(small_config)(batch, training=True)


def test_only_the_heads_asked_for_exist(small_config, batch):
    model = KaleidoBert(small_config, tasks=("itm",))
    assert set(model(batch)) == {"itm"}
    assert not any("mlm" in variable.path for variable in model.weights)
    with pytest.raises(UserError, match="colour"):
        KaleidoBert(small_config, tasks=("itm", "colour"))


def test_padding_changes_nothing(small_config, batch):
    model = KaleidoBert(small_config)
    before = to_numpy(model(batch))
    padded = dict(batch)
    padded["token_ids"] = np.pad(batch["token_ids"], ((0, 0), (0, 8)), constant_values=7)
    padded["token_mask"] = np.pad(batch["token_mask"], ((0, 0), (0, 8)))
    after = to_numpy(model(padded))
    for task in TASKS:
        np.testing.assert_allclose(after[task], before[task], atol=1e-5)


def test_every_patch_and_every_word_is_read(small_config, batch):
    """Changes one position at a time; every change reaches the pooled output and so ITM."""
    model = KaleidoBert(small_config)
    model.patch_embedding.position.kernel.assign(model.patch_embedding.position.kernel * 50)
    before = to_numpy(model(batch))["itm"]
    for key, place in (("token_ids", (0, 1)), ("positions", (0, 54)), *((f"level{n}", (0, -1)) for n in range(1, 6))):
        changed = {**batch, key: batch[key].copy()}
        changed[key][place] = 0 if key != "token_ids" else (batch[key][place] + 1) % 50
        after = to_numpy(model(changed))["itm"]
        assert not np.array_equal(after[0], before[0]), key
        np.testing.assert_array_equal(after[1:], before[1:])


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_matching_alone_comes_to_what_the_whole_model_says(small_config, batch, layers):
    model = KaleidoBert(replace(small_config, num_layers=layers, dropout=0.3, attention_dropout=0.3), tasks=("itm",))
    random = np.random.default_rng(layers)
    model.set_weights([value + random.normal(0, 0.3, value.shape) for value in model.get_weights()])
    whole = ops.convert_to_numpy(model(batch)["itm"])
    found = model.match(model.read_text(batch), batch["token_mask"], model.read_patches(batch))
    np.testing.assert_allclose(ops.convert_to_numpy(found), whole, atol=1e-5)
    assert np.ptp(whole[:, 1] - whole[:, 0]) > 0.1


def test_weights_survive_saving(small_config, batch, tmp_path):
    model, other = KaleidoBert(small_config), KaleidoBert(small_config)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    first, second = to_numpy(model(batch)), to_numpy(other(batch))
    for task in TASKS:
        np.testing.assert_array_equal(first[task], second[task])


def test_config_round_trip(small_config):
    model = KaleidoBert.from_config(KaleidoBert(small_config, tasks=("itm", "mlm")).get_config())
    assert model.config == small_config and model.tasks == ("mlm", "itm")


@pytest.mark.parametrize("in_full", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fit_learns_a_batch(small_config, batch, in_full):
    """To compile it takes far longer than the steps."""
    keras.utils.set_random_seed(1)
    if in_full:
        model, rate, epochs = KaleidoBert(small_config), 3e-3, 30
    else:
        model, rate, epochs = KaleidoBert(replace(small_config, num_layers=1), ("mlm", "rotation", "blank")), 1e-2, 8
    # XLA takes far longer than the steps.
    model.compile(optimizer=keras.optimizers.Adam(rate), jit_compile=False, run_eagerly=not in_full)
    losses = model.fit(batch, epochs=epochs, batch_size=4, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]


def test_dropout_acts_in_training_only(batch):
    config = ModelConfig(50, 12, 1, 16, 4, 32, dropout=0.5)
    model = KaleidoBert(config, ("itm",))
    calm, wild = (to_numpy(model(batch, training=training))["itm"] for training in (False, True))
    np.testing.assert_array_equal(calm, to_numpy(model(batch, training=False))["itm"])
    assert not np.allclose(calm, wild)


def test_mixed_bfloat16_stays_close(small_config, batch):
    model = KaleidoBert(small_config)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        other = KaleidoBert(small_config)
    finally:
        keras.config.set_dtype_policy(policy)
    other.set_weights(model.get_weights())
    first, second = to_numpy(model(batch)), {task: ops.cast(v, "float32") for task, v in other(batch).items()}
    assert keras.backend.standardize_dtype(other(batch)["itm"].dtype) == "bfloat16"
    for task in TASKS:
        np.testing.assert_allclose(ops.convert_to_numpy(second[task]), first[task], atol=0.05)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"hidden_size": 10, "num_heads": 3}, "multiple"),
        ({"segment_vocab_size": 4}, "segment_vocab_size"),
        ({"num_layers": 0}, "num_layers"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_impossible_sizes_are_user_errors(options, message):
    with pytest.raises(UserError, match=message):
        ModelConfig(**options)


def test_short_segment_table_adds_nothing_past_its_end(batch):
    config = ModelConfig(
        50, 12, 1, 16, 4, 32, segment_vocab_size=3, compatibility=Compatibility(short_segment_table=True)
    )
    model = KaleidoBert(config, ("itm",))
    before = to_numpy(model(batch))["itm"]
    model.patch_embedding.segments[4].assign(model.patch_embedding.segments[4] + 9)
    np.testing.assert_array_equal(to_numpy(model(batch))["itm"], before)
    model.patch_embedding.segments[0].assign(model.patch_embedding.segments[0] + np.arange(16))
    assert not np.array_equal(to_numpy(model(batch))["itm"], before)


def test_named_sizes():
    assert ModelConfig.of_size("base") == ModelConfig()
    assert ModelConfig.of_size("small", vocab_size=9).num_layers == 6
    assert LossConfig(mlm=0, grey=0).tasks == ("itm", "rotation", "jigsaw", "camouflage", "blank")
    with pytest.raises(UserError, match="huge"):
        ModelConfig.of_size("huge")
