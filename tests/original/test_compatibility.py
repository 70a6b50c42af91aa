from pathlib import Path

import pytest

from kaleido import configuration
from kaleido.app.config import PretrainConfig
from kaleido.model.config import QUIRKS, Compatibility

ARGUMENTS = ["--records", "r", "--out", "o"]


def parse(*arguments):
    return configuration.parse(PretrainConfig, [*ARGUMENTS, *arguments])


def quirks(config):
    return {quirk for quirk in QUIRKS if getattr(config.model_config.compatibility, quirk)}


def test_nothing_is_on_by_default():
    config = parse()
    assert quirks(config) == set() and config.train_config.optimizer_config.original is False


def test_one_switch_turns_all_on(tmp_path):
    config = parse("--model_config.compatibility.original", "true")
    assert quirks(config) == set(QUIRKS) and config.train_config.optimizer_config.original
    configuration.save(config, tmp_path / "config.yaml")
    assert configuration.load(PretrainConfig, tmp_path / "config.yaml") == config


@pytest.mark.parametrize("quirk", QUIRKS)
def test_each_stands_alone_and_may_be_left_out(quirk):
    assert quirks(parse(f"--model_config.compatibility.{quirk}", "true")) == {quirk}
    without = parse("--model_config.compatibility.original", "true", f"--model_config.compatibility.{quirk}", "false")
    assert quirks(without) == set(QUIRKS) - {quirk}


def test_the_training_rule_stands_alone():
    rule = "--train_config.optimizer_config.original"
    config = parse(rule, "true")
    assert config.train_config.optimizer_config.original and quirks(config) == set()
    config = parse(rule, "false", "--model_config.compatibility.original", "true")
    assert not config.train_config.optimizer_config.original and quirks(config) == set(QUIRKS)


def test_the_ready_configuration_is_the_originals():
    config = parse("--config", str(Path(__file__).parents[2] / "configs" / "pretrain_original.yaml"))
    assert config.model_config.compatibility == Compatibility(original=True)
    assert config.train_config.optimizer_config.original
