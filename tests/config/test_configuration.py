from dataclasses import dataclass, field
from typing import Literal

import pytest

from kaleido import configuration
from kaleido.errors import UserError


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
    return configuration.parse(Outer, list(argv), "test", "A test.")


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
