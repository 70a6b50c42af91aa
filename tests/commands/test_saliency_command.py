"""The subcommand `saliency`."""

import json

import pytest

from kaleido.__main__ import main


def test_evaluate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["catalog", "generate", "--out=shop", "--products=4", "--photo-size=64", "--workers=1"]) == 0
    assert main(["saliency", "evaluate", "--scenes=6", "--catalog=shop", "--photos=3", "--out=figures.json"]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures.keys() == {"held-out scenes", "shop"}
    for source, count in (("held-out scenes", 6), ("shop", 3)):
        found = figures[source]
        assert {values["photos"] for values in found.values()} == {count}
        assert found["unet"]["mask_iou"] > found["none"]["mask_iou"]
    assert "| shop | 3 | unet | " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tune"], "invalid choice: 'tune'"),
        (["train"], "out is missing"),
        (["train", "--out", "x", "--steps", "0"], "steps must be"),
        (["evaluate", "--scenes", "0"], "scenes must be"),
        (["evaluate", "--catalog", "absent"], "absent"),
        (["evaluate", "--weights", "absent"], "absent"),
    ],
)
def test_wrong_arguments(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["saliency", *arguments]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert message in error
