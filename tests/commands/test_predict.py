"""The subcommands `predict` and `export`, on models of a wardrobe with its photos."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kaleido.__main__ import main
from kaleido.app.model_folder import read_model_config, save_model
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.records.reader import PhotoRecords
from kaleido.text import load_tokenizer

pytestmark = pytest.mark.usefixtures("uncompiled")

ROOT = Path(__file__).parents[2]
TRAIN = [
    "--text-length=60",
    "--batch-size=8",
    "--steps=1",
    "--train_config.tensorboard=false",
    "--recognition_config.unseen=ignore",
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a prepared wardrobe, a model that matches, and a recogniser that starts from it."""
    folder = tmp_path_factory.mktemp("predictions")
    catalog, records = folder / "wardrobe", folder / "wardrobe" / "records"
    assert main(["catalog", "generate", "--products=16", "--photo-size=48", "--workers=1", f"--out={catalog}"]) == 0
    prepare = ["prepare", f"--catalog={catalog}", f"--out={records}", "--backbone=random"]
    prepare += ["--prepare_config.vocabulary_size=300", "--prepare_config.validation_fraction=0.3"]
    assert main([*prepare, "--saliency=border", "--prepare_config.max_stored_tokens=46"]) == 0
    train, tokenizer = PhotoRecords.open(records, "train"), load_tokenizer(records)
    # Weights are large, so that answers differ.
    sizes = {"num_layers": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32, "initializer_range": 1.0}
    config = ModelConfig(vocab_size=tokenizer.vocab_size, feature_size=train.feature_size, **sizes)
    keras.utils.set_random_seed(0)
    processor = {"backbone": "random", "photos": train.metadata["config"]}
    save_model(folder / "matching", KaleidoBert(config, ("mlm", "itm")), "pretraining", tokenizer, processor=processor)
    finetune = ["finetune", "--task=category", f"--model={folder / 'matching'}", f"--records={records}"]
    assert main([*finetune, f"--out={folder / 'run'}", *TRAIN]) == 0
    return folder


@pytest.fixture(scope="module")
def table(workplace):
    """The photos of the validation split with titles and descriptions, as a shop would write them down."""
    wanted = set(PhotoRecords.open(workplace / "wardrobe" / "records", "validation").photo_ids())
    products = map(json.loads, (workplace / "wardrobe" / "products.jsonl").read_text().splitlines())
    path = workplace / "shop.csv"
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sku", "name", "details", "image"])
        for product in products:
            for photo in product["photos"]:
                if photo["id"] in wanted:
                    rows.writerow([photo["id"], product["title"], product["description"], photo["uri"][7:]])
    return path


def read(path: Path) -> list[dict]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def predict(workplace, table, out, *options):
    columns = ["--columns", "id=sku", "title=name", "description=details", "photo=image"]
    source = f"--source={workplace / 'wardrobe' / 'photos'}"
    model = f"--model={workplace / 'run' / 'model'}"
    return main(["predict", str(table), model, f"--out={out}", source, *columns, *options])


def test_predictions_are_those_of_the_records(workplace, table, tmp_path, capsys):
    assert predict(workplace, table, tmp_path, "--batch-size=5") == 0
    output = capsys.readouterr()
    expected = {row["photo_id"]: row for row in read(workplace / "run" / "predictions-validation.csv")}
    found = {row["id"]: row for row in read(tmp_path / "predictions.csv")}
    assert found.keys() == expected.keys() and len(found) > 5
    for photo, row in found.items():
        assert row["label"] == expected[photo]["predicted"]
        assert abs(float(row["probability"]) - float(expected[photo]["probability"])) < 1e-3
    probabilities = [float(row["probability"]) for row in found.values()]
    assert len(set(probabilities)) == len(found) and np.ptp(probabilities) > 0.05
    # The records hold 46 tokens of a text.
    tokenizer = load_tokenizer(workplace / "wardrobe" / "records")
    texts = [f"{row['name']}. {row['details']}" for row in read(table)]
    cut = sum(len(tokenizer.encode(text).ids) > 46 for text in texts)
    assert cut and f"texts cut to the 48 positions that the model was trained with: {cut}" in output.err
    assert "without a text" not in output.err


@pytest.mark.slow
def test_jax_predicts_the_same(workplace, table, tmp_path):
    pytest.importorskip("jax")
    assert predict(workplace, table, tmp_path / "here") == 0
    code = "import sys; from kaleido.__main__ import main; sys.exit(main(sys.argv[1:]))"
    columns = ["--columns", "id=sku", "title=name", "description=details", "photo=image"]
    model = f"--model={workplace / 'run' / 'model'}"
    arguments = ["predict", table, model, f"--out={tmp_path / 'there'}", *columns]
    command = [sys.executable, "-c", code, *arguments, f"--source={workplace / 'wardrobe' / 'photos'}"]
    backend = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"KERAS_BACKEND": backend}, check=True)
    here, there = (read(tmp_path / side / "predictions.jsonl") for side in ("here", "there"))
    assert [row["label"] for row in here] == [row["label"] for row in there]
    np.testing.assert_allclose(*([row["probability"] for row in side] for side in (here, there)), atol=1e-4)


def test_both_files_say_the_same_and_the_best_come_first(workplace, table, tmp_path):
    assert predict(workplace, table, tmp_path) == 0
    rows, lines = read(tmp_path / "predictions.csv"), read(tmp_path / "predictions.jsonl")
    assert [{name: str(value) for name, value in line.items()} for line in lines] == rows
    labels = read_model_config(workplace / "run" / "model")["labels"]
    for line in lines:
        assert len({line["label"], line["second"], line["third"]} & set(labels)) == 3
        assert line["probability"] >= line["second_probability"] >= line["third_probability"] > 0
    assert [line["row"] for line in lines] == list(range(2, len(lines) + 2))


def test_a_folder_of_photos_is_read_with_empty_texts(workplace, table, tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in (names := [row["image"] for row in read(table)][:3]):
        shutil.copy(workplace / "wardrobe" / "photos" / name, photos)
    model = f"--model={workplace / 'run' / 'model'}"
    assert main(["predict", model, str(photos), f"--out={tmp_path / 'folder'}"]) == 0
    output = capsys.readouterr()
    assert output.err.count("photos without a text, read with an empty one: 3 of 3") == 1
    assert "3 predictions are in" in output.out
    (tmp_path / "empty.csv").write_text("photo,text\n" + "".join(f"{name},\n" for name in names))
    empty = ["predict", model, str(tmp_path / "empty.csv"), f"--source={photos}", f"--out={tmp_path / 'table'}"]
    assert main(empty) == 0
    of_folder, of_table = (read(tmp_path / name / "predictions.jsonl") for name in ("folder", "table"))
    assert [row["photo"] for row in of_folder] == names
    for one, other in zip(of_folder, of_table, strict=True):
        assert one["label"] == other["label"] and one["probability"] == pytest.approx(other["probability"], abs=1e-5)
    assert main(["predict", model, str(photos / names[0]), f"--out={tmp_path / 'single'}"]) == 0
    assert [row["label"] for row in read(tmp_path / "single" / "predictions.jsonl")] == [of_folder[0]["label"]]
    # Texts make a difference.
    assert predict(workplace, table, tmp_path / "texts") == 0
    with_texts = read(tmp_path / "texts" / "predictions.jsonl")
    assert all(abs(one["probability"] - other["probability"]) > 1e-3 for one, other in zip(of_folder, with_texts))


def test_pairs_are_scored(workplace, table, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("kaleido.progress._is_watched", lambda: True)
    one, two, *_ = read(table)
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"photo": row["image"], "text": text} for row in (one, two) for text in ("red shirt", "blue jeans", "hat")]
    pairs.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    source = f"--source={workplace / 'wardrobe' / 'photos'}"
    command = ["predict", str(pairs), f"--model={workplace / 'matching'}", source]
    for size in (1, 4):
        assert main([*command, f"--out={tmp_path / str(size)}", f"--batch-size={size}"]) == 0
    single, together = (read(tmp_path / str(size) / "predictions.jsonl") for size in (1, 4))
    assert [(row["photo"], row["text"]) for row in together] == [(row["photo"], row["text"]) for row in rows]
    scores = np.array([[row["score"] for row in found] for found in (single, together)])
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-6)
    assert len(np.unique(scores[1])) == len(rows)
    np.testing.assert_allclose([row["probability"] for row in together], 1 / (1 + np.exp(-scores[1])), atol=1e-5)
    # Two photos, each encoded once.
    assert "2/2" in capsys.readouterr().err


def test_a_bad_photo_stops_or_is_left_out(workplace, table, tmp_path, capsys):
    rows = read(table)
    shutil.copy(workplace / "wardrobe" / "photos" / rows[0]["image"], tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no photo")
    (tmp_path / "shop.csv").write_text("photo,text\ngood.png,x\nbad.png,y\nnone.png,z\n")
    model = f"--model={workplace / 'run' / 'model'}"
    command = ["predict", str(tmp_path / "shop.csv"), model, f"--out={tmp_path / 'out'}"]
    assert main(command) == 2
    assert "shop.csv, row 4: photo 'none.png' does not exist" in capsys.readouterr().err
    (tmp_path / "none.png").write_bytes(b"")
    assert main([*command, "--on-error=skip"]) == 0
    output = capsys.readouterr().out
    assert f"skipped row 4 of {tmp_path / 'shop.csv'}: photo 'none.png' is an empty file" in output
    assert f"skipped bad.png ({tmp_path / 'shop.csv'}, row 3): photo cannot be decoded" in output
    assert [row["row"] for row in read(tmp_path / "out" / "predictions.csv")] == ["2"]
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "shop.csv").write_text("photo,text\ngood.png,x\nbad.png,y\n")
    assert main(command) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"{tmp_path / 'bad.png'} ({tmp_path / 'shop.csv'}, row 3): photo cannot be decoded" in error
    assert "--on-error skip" in error
    (tmp_path / "shop.csv").write_text("photo,text\nbad.png,y\n")
    assert main([*command, "--on-error=skip"]) == 2
    assert "none of its 1 photos can be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_predicted(workplace, table, tmp_path, capsys):
    content = read_model_config(workplace / "run" / "model")
    config = ModelConfig.from_dict(content["architecture"])
    tokenizer = load_tokenizer(workplace / "wardrobe" / "records")
    known, arguments = {"processor": content["processor"]}, ("pretraining", tokenizer)
    save_model(tmp_path / "words", KaleidoBert(config, ("mlm",)), *arguments, **known)
    save_model(tmp_path / "unknown", KaleidoBert(config, ("itm",)), *arguments)
    other = ModelConfig.from_dict({**content["architecture"], "feature_size": 7})
    save_model(tmp_path / "other", KaleidoBert(other, ("itm",)), *arguments, **known)
    photos = workplace / "wardrobe" / "photos"
    (tmp_path / "pairs.csv").write_text(f"photo,text\n{next(photos.iterdir()).name},red\n")
    (tmp_path / "colours.csv").write_text("colour,text\nred,shirt\n")
    pairs, source = str(tmp_path / "pairs.csv"), f"--source={photos}"
    model, matching = str(workplace / "run" / "model"), str(workplace / "matching")
    wrong = {
        (str(tmp_path / "words"), pairs, source): "of the task pretraining has no match; it has embed",
        (str(tmp_path / "unknown"), pairs, source): "does not say how its photos were prepared",
        (str(tmp_path / "other"), pairs, source): "reads features of 7 numbers and the backbone that it names gives",
        (matching, str(photos)): "give a table with the columns photo and text",
        (model, str(photos), source): "--columns and --source go with a table",
        (model, str(tmp_path / "none")): "give a folder of photos, a photo, or a table that ends in .csv",
        (model, str(tmp_path / "none.csv")): "none.csv cannot be read",
        (model, str(tmp_path / "colours.csv")): "has no column 'photo'",
        (model, pairs, "--batch-size=0"): "batch_size must be in [1, 1_000_000]. Received: 0",
        (model, pairs, "--columns", "text"): "--columns takes FIELD=COLUMN",
        (str(tmp_path), pairs): "no saved model here",
    }
    for (of, photos, *options), message in wrong.items():
        assert main(["predict", photos, f"--model={of}", *options, f"--out={tmp_path / 'out'}"]) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("compiled")
def test_export(workplace, tmp_path, capsys):
    command = ["export", f"--model={workplace / 'run' / 'model'}", f"--out={tmp_path / 'saved'}"]
    assert main(command) == 0
    assert "a SavedModel with embed, classify;" in capsys.readouterr().out
    assert (tmp_path / "saved" / "saved_model.pb").is_file()
    about = json.loads((tmp_path / "saved" / "assets.extra" / "kaleido.json").read_text())
    assert about["photos"]["backbone"] == "random" and about["text"]["max_text_length"] == 48
    assert main(["export", f"--model={tmp_path}", f"--out={tmp_path / 'other'}"]) == 2
    assert "no saved model here" in capsys.readouterr().err
