from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from kaleido import configuration
from kaleido.errors import UserError
from kaleido.ready import find_config


@dataclass(frozen=True)
class Inner:
    """Inner.

    Args:
        rate: A rate.
        rule: A rule.
        sizes: Some sizes.
    """

    rate: float = 0.1
    rule: Literal["adam", "adamw"] = "adam"
    sizes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Outer:
    """Outer.

    Args:
        records: A path.
        steps: How many.
        inner: A section.
    """

    records: str
    steps: int = 3
    inner: Inner = field(default_factory=Inner)


def parse(*argv):
    return configuration.parse(Outer, list(argv))


def test_file_and_overrides(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("records: here\ninner: {rate: 1e-4, sizes: [1, 2]}\n")
    config = parse("--config", str(path), "--inner.rule=adamw", "--steps", "7")
    assert config == Outer("here", 7, Inner(1e-4, "adamw", (1, 2)))


def test_saved_and_loaded_is_equal(tmp_path):
    config = Outer("there", 9, Inner(sizes=(3, 4)))
    configuration.save(config, tmp_path / "c.yaml")
    assert configuration.load(Outer, tmp_path / "c.yaml") == config
    assert [p.name for p in tmp_path.iterdir()] == ["c.yaml"]


def test_flatten():
    assert configuration.flatten(Outer("x"))["inner.rule"] == "adam"


@pytest.mark.parametrize(
    "content, message",
    [
        ("record: x", r"unknown key record; did you mean records\?"),
        ("records: x\ninner: {rat: 1}", r"unknown key inner.rat; did you mean inner.rate\?"),
        ("records: x\nrate: 1", r"unknown key rate; did you mean inner.rate\?"),
        ("records: x\nsteps: many", "steps.*int.*many"),
        ("records: x\ninner: {rule: sgd}", "inner.rule.*adamw.*sgd"),
        ("steps: 3", "records"),
        ("steps: [3", r"c\.yaml:\d: not valid YAML"),
        ("- 3", "mapping"),
    ],
)
def test_errors_are_one_line_and_name_the_key(tmp_path, content, message):
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as error:
        parse("--config", str(path))
    assert "\n" not in str(error.value)


def test_unknown_option_and_missing_file():
    with pytest.raises(UserError, match=r"did you mean --inner\.rate"):
        parse("--records=x", "--inner.raet=1")
    with pytest.raises(UserError, match=r"nowhere\.yaml: no such configuration"):
        parse("--config", "nowhere.yaml")


@dataclass(frozen=True)
class Optimizer:
    """Optimizer.

    Args:
        learning_rate: A rate.
    """

    learning_rate: float = 0.1


@dataclass(frozen=True)
class Train:
    """Train.

    Args:
        batch_size: Examples a step.
        steps: How many.
        optimizer_config: A section in a section.
    """

    batch_size: int = 8
    steps: int | None = None
    optimizer_config: Optimizer = field(default_factory=Optimizer)


@dataclass(frozen=True, kw_only=True)
class Command:
    """Everything that a command line can hold.

    Args:
        source: Given by its place.
        more: The rest.
        model: A folder.
        max_photos: Photos at most.
        overwrite: Whether to replace.
        only: Names.
        seeds: Numbers.
        columns: Columns by field.
        train_config: A section.
    """

    source: str = field(metadata=configuration.POSITIONAL)
    more: tuple[str, ...] = field(default=(), metadata=configuration.POSITIONAL)
    model: str | None = None
    max_photos: int = 3
    overwrite: bool = False
    only: tuple[str, ...] = ()
    seeds: tuple[int, ...] | None = None
    columns: dict[str, list[str]] = field(default_factory=dict)
    train_config: Train = field(default_factory=lambda: Train(batch_size=16))


def command(*argv):
    return configuration.parse(Command, list(argv))


def test_python_values_of_every_form_are_the_same(tmp_path):
    wanted = Command(source="a", train_config=Train(4, 7, Optimizer(0.5)))
    forms = (
        {"train_config": {"batch_size": 4, "steps": 7, "optimizer_config": {"learning_rate": 0.5}}},
        {"train_config.batch_size": 4, "train_config.steps": 7, "train_config.optimizer_config.learning_rate": 0.5},
        {"batch_size": 4, "steps": 7, "lr": 0.5},
        {"batch_size": "4", "train_config": {"steps": 7}, "train_config.optimizer_config": {"learning_rate": 0.5}},
        {"train_config": Train(4, 7, Optimizer(0.5))},
    )
    for values in forms:
        assert configuration.build(Command, {"source": "a", **values}) == wanted
    argv = ["a", "--batch-size=4", "--train_config.steps", "7", "--lr", "0.5"]
    assert command(*argv) == wanted
    (tmp_path / "c.yaml").write_text("source: b\ntrain_config: {batch_size: 4, steps: 9}\nlr: 0.5\n")
    assert configuration.build(Command, {"source": Path("a"), "steps": 7}, [tmp_path / "c.yaml"]) == wanted
    assert command(*argv[:1], "--config", str(tmp_path / "c.yaml"), "--steps=7") == wanted


def test_a_section_keeps_the_defaults_of_its_place():
    assert configuration.build(Command, {"source": "a", "steps": 3}).train_config == Train(batch_size=16, steps=3)
    assert configuration.build(Command, {"source": "a", "train_config": None}).train_config.batch_size == 16


def test_values_of_every_kind_on_a_command_line():
    assert command("a", "b", "c", "--max-photos", "5").more == ("b", "c")
    assert command("--overwrite", "a").overwrite and command("--overwrite", "true", "a").overwrite
    assert not command("a", "--overwrite=false").overwrite
    for argv in (["--only", "x", "y"], ["--only=x", "--only", "y"], ["--only=[x, y]"]):
        assert command("a", *argv).only == ("x", "y")
    for argv in (["--seeds", "1", "2"], ["--seeds=[1,2]"]):
        assert command("a", *argv).seeds == (1, 2)
    assert command("a", "--seeds", "3").seeds == (3,)
    assert command("a", "--seeds=null").seeds is None
    assert command("a", "--model", "null").model is None and command("a", "--model", "7").model == "7"
    columns = {"id": ["sku"], "photos": ["one", "two"]}
    for argv in (["--columns", "id=sku", "photos=one,two"], ["--columns=id=sku", "--columns", "photos=one,two"]):
        assert command("a", *argv).columns == columns
    assert configuration.build(Command, {"source": "a", "columns": {**columns, "id": "sku"}}).columns == columns
    assert command("--steps", "1", "--steps", "2", "a").train_config.steps == 2
    assert command("--", "--a").source == "--a"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "source is missing; it must be text"),
        (["a", "--max_photos", "3"], r"unknown option --max_photos; did you mean --max-photos\?"),
        (["a", "--batch_size", "3"], r"did you mean --batch-size\?"),
        (["a", "--step", "3"], r"did you mean --steps\?"),
        (["a", "--train_config.learning_rate=1"], r"did you mean --train_config.optimizer_config.learning_rate\?"),
        (["a", "--train_config", "3"], "--train_config is a section; give its keys"),
        (["a", "--model", ""], "model must be text or null; write null for none"),
        (["a", "--model"], "--model needs a value"),
        (["a", "--columns", "id"], "--columns takes FIELD=COLUMN"),
        (["a", "--overwrite=yes"], "overwrite must be true or false. Received: yes"),
        (["a", "--steps", "many"], "train_config.steps must be an int or null. Received: many"),
        (["a", "--seeds", "1", "x"], "seeds must be a list of ints"),
        (["a", "--zzz"], "unknown option --zzz; --help lists"),
    ],
)
def test_a_wrong_command_line_is_answered_with_the_right_one(argv, message):
    with pytest.raises(UserError, match=message) as error:
        command(*argv)
    assert "\n" not in str(error.value)


def test_what_python_values_cannot_be():
    with pytest.raises(UserError, match=r"train_config\.steps is given twice, also as steps"):
        configuration.build(Command, {"source": "a", "train_config": {"steps": 1}, "steps": 2})
    with pytest.raises(UserError, match=r"max_photos must be an int\. Received: 1\.5"):
        configuration.build(Command, {"source": "a", "max_photos": 1.5})
    with pytest.raises(UserError, match=r"model must be text or null\. Received: a mapping"):
        configuration.build(Command, {"source": "a", "model": {}})
    with pytest.raises(UserError, match="unknown key output; it is now called out"):
        configuration.build(SomeOut, {"output": "a"})
    with pytest.raises(UserError, match="unknown option --output; it is now called --out"):
        configuration.parse(SomeOut, ["--output=a"])


@dataclass(frozen=True)
class SomeOut:
    """Writes.

    Args:
        out: A folder.
    """

    out: str


def test_a_positional_where_an_option_is_missing():
    with pytest.raises(UserError, match=r"unrecognized arguments: runs; did you mean --out runs\?"):
        configuration.parse(SomeOut, ["runs"])


def test_a_ready_configuration_is_found_by_name_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config("pretrain_tiny").is_file()
    assert find_config("kaleido_bert", "experiments").is_file()
    # One of the working directory comes first.
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "pretrain_tiny.yaml").write_text("seed: 7\n")
    assert find_config("pretrain_tiny").resolve() == tmp_path / "configs" / "pretrain_tiny.yaml"
    with pytest.raises(UserError, match=r"no such configuration; there are .*pretrain_tiny"):
        find_config("pretrain_tin")
