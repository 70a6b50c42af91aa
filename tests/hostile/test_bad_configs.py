"""Configuration files and dotted options: every mistake is one line that names the key."""

import re

import pytest

FILES = {
    "empty": (b"", "mapping of keys to values. Received: nothing"),
    "a list": (b"- records: x", "mapping of keys to values. Received: list"),
    "a text": (b"records", "mapping of keys to values. Received: str"),
    "no YAML": (b"records: [x", r"c\.yaml:\d+: not valid YAML"),
    "tabs": (b"train_config:\n\tsteps: 1", r"c\.yaml:2: not valid YAML"),
    "binary": (bytes(range(256)), "cannot be read as a configuration"),
    "UTF-16": ("records: x".encode("utf-16"), "cannot be read as a configuration"),
    "zeros": (bytes(100), "not valid YAML"),
    "huge": (b"# " + b"x" * 200_000, "at most 100,000 bytes"),
    "two documents": (b"records: x\n---\nrecords: y", r"c\.yaml:2: not valid YAML"),
    "key twice": (b"records: x\nrecords: y", r"c\.yaml:2: .* key records occurs twice"),
    "key twice in a section": (b"train_config: {steps: 1, steps: 2}", "key steps occurs twice"),
    "a call": (b"records: !!python/object/apply:os.mkdir ['pwned']", r"c\.yaml:1: .*python/object/apply"),
    "a module": (b"records: !!python/module:os {}", "python/module"),
    "laughs": (
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)),
        r"references \(\*name\) are not allowed",
    ),
    "endless": (b"records: &a [*a]", "references"),
    "deep": (b"records: " + b"[" * 40_000, "nested too deeply"),
    "unknown key": (b"record: x", "unknown key record; did you mean records"),
    "unknown section key": (
        b"train_config: {step: 1}",
        r"unknown key train_config\.step; did you mean train_config\.steps",
    ),
    "number as key": (b"1: x", "unknown key 1"),
    "list as key": (b"[a]: x", "not valid YAML"),
    "section a list": (b"train_config: [1]", "train_config is a section"),
    "section a text": (b"train_config: x", "train_config is a section"),
    "key a section": (b"seed: {a: 1}", "seed must be an int. Received: a mapping"),
    "key a list": (b"seed: [1]", "seed must be an int"),
    "key empty": (b"seed:", "seed must be an int. Received: nothing"),
    "text for an int": (b"seed: many", "seed must be an int. Received: many"),
    "float for an int": (b"seed: 1.5", "seed must be an int"),
    "truth for an int": (b"seed: true", "seed must be an int"),
    "number for a text": (b"records: 1", "records must be text"),
    "text for a truth": (b"train_config: {deterministic: maybe}", "deterministic must be true or false"),
    "no choice": (b"model_config: {size: huge}", "model_config.size must be one of tiny, small, base"),
    "digits": (b"seed: " + b"9" * 5000, "cannot be read"),
    "hexadecimal digits": (b"seed: 0x" + b"f" * 5000, "cannot be read|seed must be"),
    "large": (b"seed: 99999999999999999999", "seed must be an int"),
    "no date": (b"records: 2020-99-99", "cannot be read"),
    "zero in a path": (b'records: "a\\0b"', "records must be text"),
    "half a character": (b'records: "a\\ud800b"', "records must be text|invalid Unicode"),
    "not a number": (
        b"train_config: {optimizer_config: {learning_rate: .nan}}",
        "learning_rate must be a finite number",
    ),
    "infinite": (b"train_config: {optimizer_config: {learning_rate: .inf}}", "learning_rate must be a finite number"),
}


@pytest.mark.parametrize(("content", "reason"), FILES.values(), ids=FILES)
def test_a_bad_file(content, reason, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.yaml"
    given = re.findall(rb"^(\w+):", content, re.MULTILINE)
    path.write_bytes(content)
    missing = [f"--{key}=nowhere" for key in ("records", "out") if key.encode() not in given]
    assert re.search(reason, refused("pretrain", "--config", path, *missing))
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.yaml"]


def test_a_folder_as_a_file_and_no_file(refused, tmp_path):
    assert "not a configuration" in refused("pretrain", "--config", tmp_path)
    assert "no such configuration" in refused("pretrain", "--config", tmp_path / "c.yaml")
    assert "--config needs a file" in refused("pretrain", "--config")


PRETRAIN = {
    "seed": (-1, 2**32),
    "preprocess_config.max_text_length": (2, 513),
    "preprocess_config.mask_probability": (-0.1, 1.5),
    "preprocess_config.max_predictions": (0, 10**9),
    "preprocess_config.mismatch_probability": (-1, 1.01),
    "preprocess_config.workers": (0, -1, 10**9),
    "preprocess_config.prefetch": (-1, 10**9),
    "preprocess_config.mismatch": ("none",),
    "model_config.num_layers": (0, -1, 10**9),
    "model_config.hidden_size": (0, 10**12, "wide"),
    "model_config.num_heads": (0, -2),
    "model_config.intermediate_size": (0,),
    "model_config.dropout": (-0.1, 1, 2.0, "nan"),
    "model_config.attention_dropout": (1,),
    "model_config.initializer_range": (0, -1, 5),
    "train_config.batch_size": (0, -8, 10**9),
    "train_config.steps": (0, -1),
    "train_config.epochs": (0, -1, "inf"),
    "train_config.accumulation": (0, 7),
    "train_config.precision": ("float16",),
    "train_config.log_every": (0,),
    "train_config.save_every": (0, -1),
    "train_config.keep_checkpoints": (0,),
    "train_config.optimizer_config.name": ("sgd",),
    "train_config.optimizer_config.learning_rate": (0, -1e-4, "nan", "inf"),
    "train_config.optimizer_config.warmup_ratio": (-0.1, 1.1),
    "train_config.optimizer_config.weight_decay": (-1,),
    "train_config.optimizer_config.beta_1": (-0.1, 1),
    "train_config.optimizer_config.beta_2": (1.5,),
    "train_config.optimizer_config.epsilon": (0, -1),
    "train_config.optimizer_config.clip_norm": (-1,),
    "train_config.distribution_config.strategy": ("all",),
    "train_config.loss_config.mlm": (-1, "nan"),
    "evaluate_config.batch_size": (0,),
    "evaluate_config.every": (0,),
    "evaluate_config.split": ("dev",),
}
PREPARE = {
    "prepare_config.crop_sizes": ("[1,2,3]", "[0,16,16,16,16]", "[9999,16,16,16,16]", "16"),
    "prepare_config.vocabulary_size": (0, 10**9),
    "prepare_config.max_stored_tokens": (0,),
    "prepare_config.validation_fraction": (-0.1, 1, "nan"),
    "prepare_config.test_fraction": (1.5, 0.97),
    "prepare_config.seed": (-1,),
    "prepare_config.shard_photos": (0, -5),
    "prepare_config.workers": (0, -2, 10**9),
    "prepare_config.batch_size": (0, 10**9),
    "prepare_config.precision": ("bfloat16", "half"),
    "prepare_config.on_error": ("ignore",),
}


def cases(table):
    return [pytest.param(key, value, id=f"{key}={value}") for key, values in table.items() for value in values]


@pytest.mark.parametrize(("key", "value"), cases(PRETRAIN))
def test_an_option_of_pretrain_out_of_range(key, value, refused):
    line = refused("pretrain", "--records=nowhere", "--out=nowhere", f"--{key}={value}")
    assert key.rpartition(".")[2] in line and "Received" in line


@pytest.mark.parametrize(("key", "value"), cases(PREPARE))
def test_an_option_of_prepare_out_of_range(key, value, refused):
    line = refused("prepare", "--catalog=nowhere", "--out=nowhere", f"--{key}={value}")
    assert key.rpartition(".")[2] in line and "Received" in line


def test_dotted_options(refused):
    assert "did you mean --train_config.steps" in refused("pretrain", "--train_config.step=1")
    assert "--train_config is a section" in refused("pretrain", "--train_config={steps: 1}")
    assert "unrecognized arguments: x" in refused("pretrain", "--records=a", "--out=b", "x")
    assert "records" in refused("pretrain", "--out=b")


@pytest.mark.parametrize("verb", [("prepare", "--out=out", "--catalog"), ("pretrain", "--out=out", "--records")])
def test_a_path_that_no_system_takes(verb, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("x" * 300, "/".join(["x" * 200] * 30), "", "\n", "a/../..\t"):
        refused(*verb, path)
