"""The task of `docs/tasks.md`, which lies in one folder outside the package."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from task_harness import TINY, TaskHarness

import kaleido
from kaleido import configuration
from kaleido.__main__ import main
from kaleido.app.finetune_config import finetune_config_class
from kaleido.app.finetuning import Finetuning
from kaleido.app.model_folder import load_model
from kaleido.app.registry import find_task
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.plugins import import_modules
from kaleido.records.catalog_columns import column_values
from kaleido.records.open import open_records

FOLDER = Path(__file__).parents[2] / "examples" / "tasks" / "price_regression"
import_modules([str(FOLDER)])
TINY_RECORDS = {
    "saliency": "border",
    "backbone": "random",
    "vocabulary_size": 120,
    "workers": 1,
    "validation_fraction": 0.25,
    "test_fraction": 0.1,
}


def make_shop(folder: Path, products: int, vocabulary: str = "catalog", cheapest: int = 0) -> Path:
    """Makes records of products whose photos are the darker the dearer they are; every ninth has no price."""
    random = np.random.default_rng(products)
    (folder / "images").mkdir(parents=True)
    rows = [["id", "title", "category", "price"]]
    for number in range(products):
        price = cheapest + 5 * number
        pixels = np.full((40, 30, 3), 255, np.uint8)
        pixels[5:35, 4:26] = random.integers(0, 30, (30, 22, 3)) + 220 - 200 * number // products
        Image.fromarray(pixels).save(folder / "images" / f"p{number:02}.jpg")
        cell = ("", "on request", "nan")[number % 3] if number % 9 == 4 else f"{price}.50"
        rows.append([f"p{number:02}", f"{'wool' if number % 2 else 'silk'} dress number {number}", "dresses", cell])
    with open(folder / "products.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    catalog, made = str(folder / "catalog"), folder / "catalog" / "records"
    Catalog.from_table(folder / "products.csv", catalog)
    options = {f"--prepare_config.{key}": value for key, value in {**TINY_RECORDS, "vocabulary": vocabulary}.items()}
    words = [str(word) for option in options.items() for word in option]
    assert main(["prepare", "--catalog", catalog, "--out", str(made), *words]) == 0
    return made


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def records(shop) -> Path:
    return make_shop(shop, 60)


class TestPriceRegression(TaskHarness):
    task = "price"

    def test_the_report_is_of_the_known_prices_in_money(self, trained):
        rows = list(csv.DictReader((trained.folder / "predictions-validation.csv").open()))
        assert [row["photo_id"] for row in rows] == trained.application.open_records("validation").photo_ids()
        known = np.array([(float(row["price"]), float(row["estimate"])) for row in rows if row["price"] != "nan"])
        assert 0 < len(known) < len(rows)
        errors = np.abs(known[:, 1] - known[:, 0])
        content = json.loads((trained.folder / "price-validation.json").read_text())
        assert content["photos"] == len(known) and content["metrics"] == trained.result.metrics
        assert content["metrics"]["mean_absolute_error"] == pytest.approx(errors.mean(), abs=0.01)
        assert trained.application.finished_metrics()["error/price"] == pytest.approx(errors.mean(), abs=0.01)

    def test_the_scale_of_the_training_prices_is_saved_with_the_model(self, trained, records):
        prices = column_values(open_records(records, "train"), "price")
        saved = load_model(trained.model)
        values = saved.content["task_config"]
        assert values["mean"] == pytest.approx(np.nanmean(prices)) == saved.model.mean
        assert values["deviation"] == pytest.approx(np.nanstd(prices)) == saved.model.deviation
        assert values["price_config"] == {"column": "price", "delta": 1.0}

    def test_a_saved_model_is_evaluated_on_another_shop(self, trained, records, tmp_path):
        vocabulary = next(path for path in records.iterdir() if path.suffix in (".model", ".txt"))
        other = make_shop(tmp_path, 30, str(vocabulary), cheapest=400)
        application = self.application.of_model(trained.model, other, split="train")
        result = application.evaluate()
        prices = column_values(open_records(other, "train"), "price")
        assert np.nanmin(prices) >= 400
        # A model of other prices is far off, on their own scale.
        assert result.metrics["mean_absolute_error"] > 100 and result.metrics["r2"] < 0

    def test_the_python_functions_take_it(self, trained, records, shop, tmp_path):
        model = kaleido.load(trained.model)
        photos = sorted((shop / "images").iterdir())[:3]
        found = model.predict(photos, ["silk dress", "wool dress", "dress"], progress=False)
        assert len(found) == 3 and all(np.isfinite(row["price"]) for row in found)
        assert kaleido.evaluate(model, records, progress=False) == pytest.approx(trained.result.metrics)
        start, options = trained.config.model, {"price_config.column": "price"}
        other = kaleido.finetune(
            records, "price", tmp_path, model=start, steps=1, text_length=16, options=options, progress=False
        )
        assert other.task == "price" and other.result.keys() == trained.result.metrics.keys()

    def test_every_command_takes_it(self, trained, records, shop, tmp_path, capsys):
        run, given = tmp_path / "run", ["--import", str(FOLDER), "--records", str(records)]
        options = [
            "--price_config.delta",
            "2",
            "--steps",
            "1",
            "--text-length",
            "16",
            "--model",
            trained.config.model,
        ]
        assert main(["finetune", "--task", "price", *given, *options, "--out", str(run)]) == 0
        assert "| mean_absolute_error |" in capsys.readouterr().out
        model = str(run / "model")
        assert main(["evaluate", *given, "--model", model, "--out", str(tmp_path / "evaluation")]) == 0
        assert capsys.readouterr().out.startswith("| price, validation")
        for name in ("price-validation.json", "predictions-validation.csv"):
            assert (tmp_path / "evaluation" / name).read_text() == (run / name).read_text()
        answers = tmp_path / "answers"
        assert (
            main(["predict", str(shop / "images"), "--import", str(FOLDER), "--model", model, "--out", str(answers)])
            == 0
        )
        rows = [json.loads(line) for line in (answers / "predictions.jsonl").read_text().splitlines()]
        assert len(rows) == 60 and all(np.isfinite(row["price"]) for row in rows)


@pytest.mark.slow
def test_it_is_a_stage_of_experiments(records, shop, tmp_path, capsys):
    short = {"batch_size": 8, "steps": 1, "tensorboard": False}
    model = {key.partition(".")[2]: value for key, value in TINY.items() if key.startswith("model_config.")}
    preset = {
        "share_process": True,
        "catalog": {"path": str(shop / "catalog")},
        "prepare": {"prepare_config": {**TINY_RECORDS, "vocabulary": "catalog"}},
        "align": {"align_config": {"steps": 1, "batch_size": 4, "photos": 8, "hidden_size": 32}},
        "pretrain": {"model_config": model, "train_config": short},
        "price": {"train_config": short, "price_config": {"delta": 2.0}},
    }
    (tmp_path / "shop.yaml").write_text(json.dumps(preset))
    experiments = tmp_path / "experiments"
    experiments.mkdir()
    (experiments / "prices.yaml").write_text(json.dumps({"title": "prices", "stages": ["price"]}))
    arguments = ["experiments", str(tmp_path / "shop.yaml"), "--import", str(FOLDER)]
    arguments += ["--experiments", str(experiments), "--out", str(tmp_path / "runs")]
    assert main([*arguments, "--dry-run"]) == 0
    assert "prices, seed 0: records, pretrain, price" in capsys.readouterr().out
    assert main(arguments) == 0, capsys.readouterr().out
    (stage,) = (tmp_path / "runs" / "stages").glob("price-*")
    content = json.loads((stage / "run" / "price-validation.json").read_text())
    assert np.isfinite(content["metrics"]["mean_absolute_error"])


@pytest.mark.usefixtures("compiled")
def test_it_learns_prices(records, tmp_path):
    values = {
        **TINY,
        "task": "price",
        "records": records,
        "out": tmp_path / "run",
        "train_config.steps": 60,
        "train_config.save_every": 60,
        "evaluate_config.split": "train",
        "evaluate_config.every": 60,
    }
    config = configuration.build(
        finetune_config_class(), {key: str(v) if isinstance(v, Path) else v for key, v in values.items()}
    )
    result = find_task("price").application(config).run()
    assert result.metrics["r2"] > 0.5


@pytest.mark.parametrize(("column", "message"), [
    ("cost", "no product has the column cost; there are price"),
    ("category", "no product has the column category"),
])  # fmt: skip
def test_a_column_that_there_is_not(records, tmp_path, column, message):
    values = {**TINY, "task": "price", "records": str(records), "out": str(tmp_path), "price_config.column": column}
    with pytest.raises(UserError, match=message):
        find_task("price").application(configuration.build(finetune_config_class(), values))


def test_a_fresh_process_knows_it_only_if_it_is_told(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "KALEIDO_IMPORT"}
    command = [sys.executable, "-m", "kaleido", "finetune"]
    told = {**environment, "KALEIDO_IMPORT": str(FOLDER)}
    done = subprocess.run([*command, "--help"], env=told, capture_output=True, text=True, check=True)
    assert "--price_config.column" in done.stdout and "Numeric column of the catalogue" in done.stdout
    options = ["--task", "price", "--records", str(tmp_path), "--out", str(tmp_path / "run")]
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "import the module that registers it, on the command line by --import. Received: price" in done.stderr


def test_the_page_about_tasks_shows_the_example_as_it_is():
    page = (FOLDER.parents[2] / "docs" / "tasks.md").read_text()
    for name in ("__init__.py", "model.py"):
        assert f"`examples/tasks/price_regression/{name}`:\n\n```python\n{(FOLDER / name).read_text()}```\n" in page


def test_the_page_about_tasks_names_the_contract():
    page = (FOLDER.parents[2] / "docs" / "tasks.md").read_text()
    contract = page.split("## The contract")[1].split("## Worked example")[0]
    named = set(re.findall(r"`(\w+)(?:\([^`]*\))?`", contract))
    for name in ("create_model", "labels", "build_loss_weights", "build_eval_metrics", "metric_tags"):
        assert name in named
    # The contract's abstract methods are what a task must have.
    assert named >= Finetuning.__abstractmethods__
    overridable = {
        "sections",
        "free_keys",
        "answer",
        "summarize",
        "evaluate",
        "result_files",
        "signatures",
        "prediction",
    }
    assert named >= overridable and all(hasattr(Finetuning, name) for name in overridable)
