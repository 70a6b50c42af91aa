"""The whole road, from an empty folder to an evaluated model, by the commands that a user types."""

import json
import os
import shutil
from pathlib import Path

import pytest
from checkouts import checkout, commands_of, run_script  # noqa: F401
from PIL import Image

from kaleido.__main__ import main

pytestmark = pytest.mark.usefixtures("uncompiled")

PRETRAIN = [
    "--size=tiny",
    "--model_config.num_layers=1",
    "--batch-size=8",
    "--steps=4",
    "--train_config.log_every=2",
    "--train_config.save_every=2",
    "--precision=float32",
    "--evaluate_config.every=2",
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a prepared wardrobe."""
    folder = tmp_path_factory.mktemp("road")
    before = Path.cwd()
    os.chdir(folder)
    try:
        generate = ["catalog", "generate", "--products=40", "--photo-size=48", "--workers=1", "--out=dataset/wardrobe"]
        prepare = [
            "prepare",
            "--catalog=dataset/wardrobe",
            "--out=dataset/wardrobe/records",
            "--backbone=random",
            "--prepare_config.vocabulary_size=300",
            "--prepare_config.validation_fraction=0.2",
        ]
        assert main(generate) == 0
        assert main(prepare) == 0
        yield folder
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def model(workplace):
    """The folder of a pre-trained model."""
    road = ["pretrain", "--records=dataset/wardrobe/records", "--out=runs/model", "--mode=train", *PRETRAIN]
    assert main([*road, "--steps=1"]) == 0
    return str(workplace / "runs/model/model")


def test_from_an_empty_folder_to_metrics(workplace, capsys):
    road = ["pretrain", "--records=dataset/wardrobe/records", "--out=runs/one", *PRETRAIN]
    assert main(road) == 0
    run = Path("runs/one")
    assert "| camouflage |" in capsys.readouterr().out
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    assert {f"accuracy/{task}" for task in ("mlm", "itm", "rotation", "jigsaw", "camouflage")} <= set(metrics)
    assert {f"loss/{task}" for task in ("grey", "blank", "total")} <= set(metrics)
    for picture in (run / "curves.png", Path("dataset/wardrobe/records/patches.png")):
        assert min(Image.open(picture).size) > 200
    assert any((run / "tensorboard").iterdir()) and any((run / "checkpoints").iterdir()) and (run / "model").is_dir()

    stamps = {path: path.stat().st_mtime_ns for path in (run / "checkpoints").rglob("*")}
    assert main(road) == 0
    assert {path: path.stat().st_mtime_ns for path in (run / "checkpoints").rglob("*")} == stamps
    before = (run / "metrics.json").read_bytes()
    evaluate = ["evaluate", "--model=runs/one/model", "--records=dataset/wardrobe/records", "--split=test"]
    capsys.readouterr()
    assert main([*evaluate, "--out=evaluated"]) == 0
    assert "| camouflage |" in capsys.readouterr().out
    (written,) = Path("evaluated").glob("*.json")
    assert json.loads(written.read_text())["split"] == "test"
    assert (run / "metrics.json").read_bytes() == before
    assert main([*evaluate, "--protocol=full", "--batch-size=16"]) == 0
    assert "SumR" in capsys.readouterr().out


def test_records_of_another_backbone_do_not_fit_a_model(workplace, model, capsys):
    prepare = ["prepare", "--catalog=dataset/wardrobe", "--out=other", "--backbone=random"]
    assert main([*prepare, "--prepare_config.vocabulary_size=200", "--prepare_config.test_fraction=0"]) == 0
    capsys.readouterr()
    assert main(["evaluate", f"--model={model}", "--records=other"]) == 2
    assert "the model's vocabulary is" in capsys.readouterr().err


def test_run_pretrain_finds_what_is_prepared(workplace, checkout, monkeypatch):  # noqa: F811
    """`cd scripts; sh run_pretrain.sh`, in a copy of the checkout that has one data set."""
    arguments = [*PRETRAIN[:3], "--steps=1", "--train_config.tensorboard=false"]
    empty = run_script(checkout, "run_pretrain.sh", *arguments)
    assert empty.returncode == 2 and "0 data sets" in empty.stderr
    shutil.copytree(workplace / "dataset" / "wardrobe" / "records", checkout / "dataset" / "wardrobe" / "records")
    (command,) = commands_of(checkout, "run_pretrain.sh", *arguments)
    monkeypatch.chdir(checkout)
    assert main(command) == 0
    assert (checkout / "runs" / "pretrain_base_wardrobe" / "metrics.json").is_file()


def test_the_retrieval_scripts_and_what_only_the_catalogue_knows(workplace, checkout, model, monkeypatch, capsys):  # noqa: F811
    """`cd scripts; sh run_i2t.sh` on a prepared wardrobe; labels and titles come from its catalogue."""
    shutil.copytree(workplace / "dataset", checkout / "dataset")
    monkeypatch.chdir(checkout)
    few = ["--candidates_config.negatives=2", "--candidates_config.queries=3", "--split=train"]
    few += ["--candidates_config.small=drop"]
    missing = run_script(checkout, "run_i2t.sh", *few)
    assert missing.returncode == 2 and "run_pretrain.sh first" in missing.stderr

    def run(script, *arguments):
        (command,) = commands_of(checkout, script, *few, *arguments, MODEL=model)
        return main(command)

    assert run("run_t2i.sh") == 0
    assert (checkout / "runs/t2i_wardrobe/retrieval-random100-train.json").is_file()
    pattern = ["--candidates_config.label=pattern", "--text=title"]
    capsys.readouterr()
    assert run("run_i2t.sh", *pattern) == 0
    shown = capsys.readouterr().out
    assert "of the same pattern by product" in shown and "text: title." in shown

    def refused(*arguments):
        command = ["retrieve", "--records=dataset/wardrobe/records", f"--model={model}", "--out=refused", *few]
        assert main([*command, "--direction=i2t", *arguments]) == 2
        return capsys.readouterr().err

    assert "no product has the column price; there are category, subcategory" in refused(
        "--candidates_config.label=price"
    )
    (checkout / "dataset/wardrobe/catalog.json").unlink()
    assert "no catalogue beside the records" in refused(*pattern)
