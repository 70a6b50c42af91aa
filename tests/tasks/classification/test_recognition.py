import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists
from scipy.special import softmax
from sklearn.metrics import f1_score

from kaleido.__main__ import main
from kaleido.app.config import EvaluateConfig, ModelSection, OptimizerConfig, TrainConfig
from kaleido.app.finetune_config import FinetuneConfig, finetune_config_class
from kaleido.app.model_folder import load_model, read_model_config
from kaleido.app.predictor import SignatureRunner
from kaleido.app.signatures import CLASSIFY
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.records.index import Index
from kaleido.tasks.classification.application import Recognition, class_weights
from kaleido.tasks.pretraining.application import Pretraining

pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.fixture
def finetuning(records, tmp_path) -> FinetuneConfig:
    return finetune_config_class()(
        "category",
        str(records),
        str(tmp_path / "finetuned"),
        model_config=ModelSection("tiny", 1, 32, 2, 64, dropout=0.0, attention_dropout=0.0),
        train_config=TrainConfig(batch_size=8, steps=100, optimizer_config=OptimizerConfig(learning_rate=1e-2)),
        evaluate_config=EvaluateConfig(split="train", batch_size=8, every=100),
    )


@pytest.mark.usefixtures("compiled")
def test_recognition_learns_and_its_predictions_are_the_evaluations(finetuning):
    application = Recognition(finetuning)
    metrics = application.run_train_and_evaluate()
    assert metrics["accuracy/category"] > 0.5  # of five classes
    found = Recognition(finetuning).run_predict("train")
    assert found["category"].shape == (48, 5)
    np.testing.assert_allclose(found["category"].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found["category_label"], application.open_records("train").index.category)
    accuracy = np.mean(found["category"].argmax(axis=1) == found["category_label"])
    assert accuracy == pytest.approx(metrics["accuracy/category"])


def test_the_saved_model_knows_its_classes(finetuning, change, tmp_path):
    application = Recognition(change(finetuning, **{"train_config.steps": 1, "task": "subcategory"}))
    application.run_train_and_evaluate()
    assert read_model_config(tmp_path / "finetuned" / "model")["labels"] == [f"subcategory {i}" for i in range(10)]
    loaded = load_model(tmp_path / "finetuned" / "model").model
    for ours, theirs in zip(loaded.weights, application.model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_it_starts_from_a_pretrained_model(config, finetuning, change):
    pretrained = change(config, **{"train_config.steps": 1})
    Pretraining(pretrained).run_train()
    application = Recognition(change(finetuning, model=f"{pretrained.out}/model"))
    bert = application.build_model().bert
    source = load_model(f"{pretrained.out}/model").model
    np.testing.assert_array_equal(
        bert.encoder.blocks[0].output_projection.kernel, source.encoder.blocks[0].output_projection.kernel
    )
    np.testing.assert_array_equal(bert.text_embedding.token.embeddings, source.text_embedding.token.embeddings)


def test_products_without_a_label_do_not_count(finetuning):
    application = Recognition(finetuning)
    application.build_model()
    batch = next(iter(application.batches("train", training=True)))
    logits = application.build_logits(batch, "evaluate")
    whole = application.build_loss(logits, batch, application.build_loss_weights(batch))
    half = batch | {"category_label": np.where(np.arange(8) < 4, batch["category_label"], -1)}
    assert float(application.build_loss_weights(half)["category"]) == 4
    first = {name: values[:4] for name, values in batch.items()}
    expected = application.build_loss(
        {"category": logits["category"][:4]}, first, application.build_loss_weights(first)
    )
    found = application.build_loss(logits, half, application.build_loss_weights(half))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert float(whole) != pytest.approx(float(found))


def test_from_the_photo_alone(finetuning, change, tmp_path):
    without = change(finetuning, **{"recognition_config.text": False, "train_config.steps": 1})
    application = Recognition(without)
    application.run_train()
    batch = next(iter(application.batches("train", training=True)))
    tokenizer = application.tokenizer
    np.testing.assert_array_equal(batch["token_ids"], [[tokenizer.cls_id, tokenizer.sep_id]] * 8)
    saved = load_model(tmp_path / "finetuned" / "model")
    predictor = SignatureRunner(saved, CLASSIFY, batch_size=8)
    assert not predictor.reads_text
    photos = {name: values for name, values in batch.items() if name.startswith(("level", "positions"))}
    found, other = predictor(photos, ["red shirt"] * 8), predictor(photos, [""] * 8)
    np.testing.assert_array_equal(found["probabilities"], other["probabilities"])
    assert predictor.cut == 0
    assert read_model_config(tmp_path / "finetuned" / "model")["processor"]["text_length"] == 2


@given(
    counts=lists(integers(0, 50), min_size=1, max_size=8).filter(any), balance=floats(0, 1), unlabelled=integers(0, 5)
)
def test_rare_classes_weigh_by_a_power_of_their_count(counts, balance, unlabelled):
    labels = np.concatenate([np.repeat(np.arange(len(counts)), counts), np.full(unlabelled, -1)])
    weights = class_weights(labels, len(counts), balance)
    assert weights.dtype == np.float32 and weights.shape == (len(counts),)
    assert weights @ counts == pytest.approx(sum(counts), rel=1e-5)
    present = np.array(counts) > 0
    ratios = weights[present] * np.array(counts)[present] ** balance
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-5)


def test_the_loss_weighs_rare_classes_and_the_metrics_do_not(finetuning, change):
    plain, balanced = (
        Recognition(change(finetuning, **{"recognition_config.balance": balance})) for balance in (0.0, 1.0)
    )
    batch = next(iter(plain.batches("train", training=True)))
    labels = batch["category_label"]
    logits = {"category": np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)}
    losses = -np.log(softmax(logits["category"], axis=1)[np.arange(8), labels])
    counts = np.bincount(plain.labels(plain.open_records("train"))["category"])
    for application, weights in ((plain, np.ones(8)), (balanced, 1 / counts[labels])):
        found = application.build_loss(logits, batch, application.build_loss_weights(batch))
        assert float(found) == pytest.approx(np.average(losses, weights=weights), rel=1e-5)
        loss, count = application.build_eval_metrics(logits, batch)["loss/category"]
        assert float(loss) / float(count) == pytest.approx(losses.mean(), rel=1e-5)


def test_a_model_of_other_records_is_refused(config, finetuning, change, tmp_path):
    Pretraining(change(config, **{"train_config.steps": 1})).run_train()
    fine = change(finetuning, model=f"{config.out}/model", **{"train_config.steps": 1})
    Recognition(fine).run_train_and_evaluate()
    with pytest.raises(UserError, match="a fine-tuned model"):
        Recognition(change(finetuning, model=str(tmp_path / "finetuned" / "model")))
    with pytest.raises(UserError, match="no saved model here"):
        Recognition(change(finetuning, model=str(tmp_path)))


def test_a_class_that_was_never_trained(finetuning, change, tmp_path, monkeypatch):
    """Validation alone has class 0."""
    read = Recognition.read_classes

    def classes(application, records):
        names, numbers = read(application, records)
        return names, np.where(numbers == 0, 1, numbers) if records.split == "train" else numbers

    monkeypatch.setattr(Recognition, "read_classes", classes)
    held_out = change(finetuning, **{"evaluate_config.split": "validation", "train_config.steps": 1})
    with pytest.raises(UserError, match=r"category that no training product has: category 0; .* Received: 4 of 20"):
        Recognition(held_out)
    application = Recognition(change(held_out, **{"recognition_config.unseen": "ignore"}))
    application.run_train_and_evaluate()
    result = application.evaluate()
    result.write(application.directory)
    assert "left out: 4 photos" in result.table
    found = json.loads((tmp_path / "finetuned" / "recognition-validation.json").read_text())
    assert found["examples"] == 16 and found["unseen"] == 4


@pytest.mark.parametrize(("changes", "message"), [
    ({"task": "colour"}, "must be among"),
    ({"task": "attribute"}, "needs a column"),
    ({"recognition_config.column": "gender"}, "is for the task attribute only"),
])  # fmt: skip
def test_tasks_that_there_are_not(finetuning, change, changes, message):
    with pytest.raises(UserError, match=message):
        change(finetuning, **changes)


def test_a_further_column_of_the_catalogue(tmp_path, capsys):
    catalogue = tmp_path / "wardrobe"
    assert (
        main(["catalog", "generate", "--products", "24", "--photo-size", "48", "--out", str(catalogue), "--seed", "5"])
        == 0
    )
    records, run = str(catalogue / "records"), str(tmp_path / "run")
    options = ["--prepare_config.backbone", "random", "--prepare_config.saliency", "border"]
    assert main(["prepare", "--catalog", str(catalogue), "--out", records, *options]) == 0
    arguments = [
        "finetune",
        "--task",
        "attribute",
        "--records",
        records,
        "--out",
        run,
        "--model_config.size=tiny",
        "--model_config.num_layers=1",
    ]
    capsys.readouterr()
    assert main([*arguments, "--recognition_config.column", "fabric"]) == 2
    assert "no product has the column fabric" in capsys.readouterr().err
    arguments += ["--recognition_config.column", "colour", "--train_config.steps=2", "--train_config.log_every=1"]
    assert main([*arguments, "--recognition_config.unseen=ignore"]) == 0
    assert "| attribute, validation |" in capsys.readouterr().out
    colours = {product.attributes["colour"] for product in Catalog.open(catalogue).products}
    with open(tmp_path / "run" / "predictions-validation.csv", newline="") as file:
        assert {row["predicted"] for row in csv.DictReader(file)} <= colours
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_command_writes_what_it_found(finetuning, tmp_path, capsys):
    arguments = ["finetune", "--task", "category", "--records", finetuning.records, "--out", str(tmp_path / "run")]
    arguments += ["--model_config.size", "tiny", "--model_config.num_layers", "1", "--model_config.hidden_size", "16"]
    arguments += ["--train_config.steps", "2", "--train_config.batch_size", "8"]
    assert main(arguments) == 0
    assert "| category, validation |" in capsys.readouterr().out
    with open(tmp_path / "run" / "predictions-validation.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = json.loads((tmp_path / "run" / "recognition-validation.json").read_text())
    assert len(rows) == found["examples"] == 20
    assert found["metrics"]["accuracy"] == pytest.approx(np.mean([row["label"] == row["predicted"] for row in rows]))
    labels, predicted = [row["label"] for row in rows], [row["predicted"] for row in rows]
    assert found["metrics"]["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))
    assert (tmp_path / "run" / "confusion.png").stat().st_size > 1000
    with open(tmp_path / "run" / "classes-validation.csv", newline="") as file:
        assert sum(int(row["photos"]) for row in csv.DictReader(file)) == 20
    # The same once more finds the run finished; of another model it is another training.
    assert main([*arguments, "--mode", "evaluate"]) == 0
    assert main([*arguments, "--seed", "1"]) == 2
    assert "another seed" in capsys.readouterr().err


def test_a_catalogue_without_labels(finetuning, tmp_path):
    records = tmp_path / "unlabelled"
    shutil.copytree(finetuning.records, records)
    metadata = json.loads((records / "metadata.json").read_text())
    (records / "metadata.json").write_text(json.dumps(metadata | {"categories": []}))
    for path in records.glob("index-*.npz"):
        index = Index.load(path)
        replace(index, category=np.full(len(index), -1, np.int32)).save(path)
    with pytest.raises(UserError, match="needs at least two classes"):
        Recognition(replace(finetuning, records=str(records)))
