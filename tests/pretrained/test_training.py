"""`pretrain`, `finetune` and `evaluate` from Python: the same runs and results as those of the commands."""

import json

import pytest
from training_fixtures import records  # noqa: F401

import kaleido
from kaleido.__main__ import main
from kaleido.errors import UserError

pytestmark = pytest.mark.usefixtures("uncompiled")

SIZES = {"num_layers": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32}
SHORT = {"size": "tiny", "steps": 2, "batch_size": 8, "text_length": 24, "progress": False, "model_config": SIZES}
OPTIONS = {"train_config.tensorboard": False}


@pytest.fixture(scope="module")
def pretrained(records, tmp_path_factory):  # noqa: F811
    return kaleido.pretrain(records, tmp_path_factory.mktemp("runs") / "pretrained", options=OPTIONS, **SHORT)


@pytest.fixture(scope="module")
def classifier(records, pretrained, tmp_path_factory):  # noqa: F811
    out = tmp_path_factory.mktemp("runs") / "category"
    values = {"steps": 2, "batch_size": 8, "text_length": 24, "progress": False}
    return pretrained.finetune(kaleido.Records(records), "category", out, options=OPTIONS, **values)


def test_a_run_is_that_of_the_command(pretrained, records, tmp_path, capsys):  # noqa: F811
    run = pretrained.directory.parent
    assert pretrained.task == "pretraining" and pretrained.text_length == 24
    assert pretrained.result == json.loads((run / "metrics.json").read_text())["metrics"]
    options = [f"--model_config.{name}={value}" for name, value in SIZES.items()]
    options += ["--size=tiny", "--steps=2", "--batch-size=8", "--text-length=24", "--train_config.tensorboard=false"]
    assert main(["pretrain", f"--records={records}", f"--out={tmp_path / 'run'}", *options]) == 0
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "run" / "model" / name).read_bytes() == (run / "model" / name).read_bytes()
    # Both may go on with each other's run.
    capsys.readouterr()
    again = kaleido.pretrain(records, tmp_path / "run", options=OPTIONS, **SHORT)
    assert again.result == pretrained.result
    assert capsys.readouterr().err == ""


def test_a_finetuned_model(classifier, records):  # noqa: F811
    run = classifier.directory.parent
    assert classifier.task == "category" and len(classifier.labels) == 5
    assert classifier.result == json.loads((run / "recognition-validation.json").read_text())["metrics"]
    assert (run / "confusion.png").is_file()
    card = (run / "model" / "README.md").read_text()
    assert "| accuracy/category |" in card


def test_evaluation_is_that_of_the_command(classifier, records, tmp_path, capsys):  # noqa: F811
    metrics = kaleido.evaluate(classifier, records, progress=False)
    assert metrics == classifier.result
    train = classifier.evaluate(records, split="train", out=tmp_path / "api", batch_size=5)
    command = ["evaluate", f"--model={classifier.directory}", f"--records={records}", "--split=train"]
    assert main([*command, f"--out={tmp_path / 'cli'}"]) == 0
    for path in (tmp_path / "cli").iterdir():
        if path.suffix == ".json":
            assert json.loads(path.read_text()) == json.loads((tmp_path / "api" / path.name).read_text())
            assert json.loads(path.read_text())["metrics"] == train
    assert {path.name for path in (tmp_path / "api").iterdir()} == {path.name for path in (tmp_path / "cli").iterdir()}


def test_evaluation_by_a_protocol(pretrained, records, tmp_path, capsys):  # noqa: F811
    found = kaleido.evaluate(
        pretrained, records, protocol="full", split="validation", out=tmp_path / "out", progress=False
    )
    content = json.loads((tmp_path / "out" / "retrieval-full-validation.json").read_text())
    assert found["SumR"] == content["SumR"]["value"]
    assert found["i2t/R@1"] == content["directions"]["i2t"]["R@1"]["value"]
    assert capsys.readouterr().out == ""
    retrieve = ["retrieve", f"--model={pretrained.directory}", f"--records={records}", f"--out={tmp_path / 'cli'}"]
    assert main([*retrieve, "--protocol=full", "--split=validation"]) == 0
    command = json.loads((tmp_path / "cli" / "retrieval-full-validation.json").read_text())
    assert command["directions"] == content["directions"]
    # The metrics of its own task are the default of a model that has others.
    assert "loss/mlm" in pretrained.evaluate(records, progress=False)


def test_a_model_that_only_matches_is_evaluated_by_a_protocol(records, tmp_path):  # noqa: F811
    model = kaleido.finetune(records, "contrastive", tmp_path / "run", options=OPTIONS, **SHORT)
    assert set(model.result) == {"loss/total", "loss/contrastive", "accuracy/contrastive"}
    few = {"split": "validation", "candidates_config": {"negatives": 1}, "lists": str(tmp_path / "lists.npz")}
    assert "i2t/R@1" in model.evaluate(records, progress=False, **few)


def test_what_cannot_be_trained_or_evaluated(pretrained, classifier, records, tmp_path):  # noqa: F811
    out = tmp_path / "run"
    wrong = {
        "unknown key stepz; did you mean train_config.steps": lambda: kaleido.pretrain(records, out, stepz=3),
        "steps must be an int": lambda: kaleido.pretrain(records, out, steps="many"),
        "steps is given twice": lambda: kaleido.pretrain(records, out, steps=3, options={"steps": 4}),
        "given twice": lambda: kaleido.pretrain(records, out, steps=3, options={"train_config.steps": 4}),
        "task must be among .*did you mean category": lambda: kaleido.finetune(records, "categry", out),
        "task must be among": lambda: kaleido.finetune(records, "pretraining", out),
        "a fine-tuned model, of the task category": lambda: classifier.finetune(records, "subcategory", out),
        "no such model": lambda: kaleido.finetune(records, "category", out, model=tmp_path / "none"),
        "was not trained to match": lambda: classifier.evaluate(records, protocol="full", split="validation"),
        "unknown key spliit": lambda: classifier.evaluate(records, spliit="test"),
        "no test records here": lambda: classifier.evaluate(records, split="test"),
        "another train_config.steps": lambda: kaleido.pretrain(
            records, pretrained.directory.parent, options=OPTIONS, **{**SHORT, "steps": 3}
        ),
    }
    for message, call in wrong.items():
        with pytest.raises(UserError, match=message):
            call()
    with pytest.raises(UserError, match=r"metadata.json|no .*records"):
        kaleido.pretrain(tmp_path / "none", out)
    assert not (out / "model").exists()
