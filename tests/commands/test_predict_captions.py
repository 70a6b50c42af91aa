"""`finetune --task caption` and then `predict`, on a wardrobe with its photos."""

import base64
import json
import re
import shutil
from io import BytesIO

import pytest
from PIL import Image

from kaleido.__main__ import main

TRAIN = [
    "--task=caption",
    "--model_config.size=tiny",
    "--model_config.num_layers=1",
    "--model_config.hidden_size=16",
    "--train_config.batch_size=8",
    "--train_config.steps=2",
    "--train_config.tensorboard=false",
    "--caption_config.beams=2",
]

pytestmark = pytest.mark.usefixtures("no_java")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a prepared wardrobe and a captioner."""
    folder = tmp_path_factory.mktemp("captions")
    catalog, records = folder / "wardrobe", folder / "wardrobe" / "records"
    assert main(["catalog", "generate", "--products=24", "--photo-size=48", "--workers=1", f"--out={catalog}"]) == 0
    prepare = ["prepare", f"--catalog={catalog}", f"--out={records}", "--backbone=random"]
    prepare += ["--prepare_config.vocabulary_size=300", "--prepare_config.validation_fraction=0.2"]
    assert main(prepare) == 0
    assert main(["finetune", *TRAIN, f"--records={records}", f"--out={folder / 'run'}"]) == 0
    return folder


def test_every_photo_has_its_caption_and_references(workplace):
    rows = [json.loads(line) for line in (workplace / "run" / "captions-validation.jsonl").read_text().splitlines()]
    products = [json.loads(line) for line in (workplace / "wardrobe" / "products.jsonl").read_text().splitlines()]
    texts = {product["id"]: product["title"] for product in products}
    assert all(row["references"][0].startswith(texts[row["product_id"]]) and row["caption"] for row in rows)
    figures = json.loads((workplace / "run" / "captions-validation.json").read_text())
    assert figures["photos"] == len(rows) and figures["metrics"]["Bleu-1"] >= 0
    page = (workplace / "run" / "captions-validation.html").read_text()
    assert page.count("<figure>") == page.count("data:image/jpeg;base64,") == len(rows)


def test_a_folder_of_photos(workplace, tmp_path, capsys):
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    sources = sorted((workplace / "wardrobe" / "photos").iterdir())[:5]
    for number, source in enumerate(sources):
        shutil.copy(source, photos / "more" / source.name if number else photos / "a <b>.png")
    command = ["predict", str(photos), "--model", str(workplace / "run" / "model"), "--out", str(tmp_path / "out")]
    assert main([*command, "--batch-size=2"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "out" / "captions.jsonl").read_text().splitlines()]
    assert [row["photo"] for row in rows] == ["a <b>.png", *(f"more/{source.name}" for source in sources[1:])]
    page = (tmp_path / "out" / "captions.html").read_text()
    assert "a &lt;b&gt;.png" in page
    pictures = re.findall(r"base64,([^\"]+)", page)
    assert [Image.open(BytesIO(base64.b64decode(picture))).size for picture in pictures] == [(48, 48)] * 5
    # One at a time, they are the same.
    assert main([*command, "--batch-size=1"]) == 0
    again = [json.loads(line) for line in (tmp_path / "out" / "captions.jsonl").read_text().splitlines()]
    assert [row["caption"] for row in again] == [row["caption"] for row in rows]

    (photos / "broken.jpg").write_bytes(b"no photo")
    capsys.readouterr()
    assert main(command) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "broken.jpg: photo cannot be decoded" in error and "--on-error skip" in error
    assert main([*command, "--on-error=skip", "--beams=1"]) == 0
    assert "skipped broken.jpg" in capsys.readouterr().out


def test_predict_captions_the_photos_of_a_table(workplace, tmp_path):
    photos, model = workplace / "wardrobe" / "photos", str(workplace / "run" / "model")
    names = [source.name for source in sorted(photos.iterdir())[:3]]
    (tmp_path / "shop.csv").write_text("sku,photo\n" + "".join(f"{name[:-4]},{name}\n" for name in names))
    command = ["predict", str(tmp_path / "shop.csv"), "--model", model, "--source", str(photos), "--columns", "id=sku"]
    assert main([*command, "--out", str(tmp_path / "predicted")]) == 0
    (tmp_path / "photos").mkdir()
    for name in names:
        shutil.copy(photos / name, tmp_path / "photos")
    assert main(["predict", str(tmp_path / "photos"), "--model", model, "--out", str(tmp_path / "captioned")]) == 0
    ours, theirs = (
        [json.loads(line) for line in (tmp_path / folder / "captions.jsonl").read_text().splitlines()]
        for folder in ("predicted", "captioned")
    )
    assert [row["caption"] for row in ours] == [row["caption"] for row in theirs]
    assert [(row["row"], row["id"], row["photo"]) for row in ours] == [(n + 2, x[:-4], x) for n, x in enumerate(names)]
    assert (tmp_path / "predicted" / "captions.html").read_text().count("base64,") == 3


def test_what_cannot_be_captioned(workplace, tmp_path, capsys):
    model, empty = workplace / "run" / "model", tmp_path / "empty"
    empty.mkdir()
    (empty / "note.txt").write_text("no photo")
    wrong = {
        (str(model), str(empty)): "no photos here",
        (str(model), str(tmp_path / "absent")): "give a folder of photos, a photo, or a table",
        (str(tmp_path), str(empty)): "no saved model here",
        (str(model), str(empty), "--beams=0"): "caption_config.beams must be in",
        (str(model), str(empty), "--batch-size=0"): "batch_size must be in [1, 1_000_000]. Received: 0",
    }
    for (of, photos, *options), message in wrong.items():
        assert main(["predict", photos, "--model", of, *options, "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error.splitlines()[-1]
    assert not (tmp_path / "out").exists()
    assert main(["caption", str(model), str(empty), "--out", str(tmp_path / "out")]) == 2
    assert "`kaleido predict --model MODEL PHOTOS --out DIR` writes captions" in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_of_another_vocabulary(workplace, tmp_path, capsys):
    other = tmp_path / "records"
    prepare = ["prepare", f"--catalog={workplace / 'wardrobe'}", f"--out={other}"]
    prepare += ["--backbone=random", "--prepare_config.vocabulary_size=300"]
    assert main([*prepare, "--prepare_config.seed=1", "--prepare_config.validation_fraction=0.3"]) == 0
    records = workplace / "wardrobe" / "records"
    pretrain = ["pretrain", f"--records={records}", f"--out={tmp_path / 'pretrained'}", "--mode=train"]
    assert main([*pretrain, *TRAIN[1:-1]]) == 0
    capsys.readouterr()
    start = f"--model={tmp_path / 'pretrained' / 'model'}"
    assert main(["finetune", *TRAIN, start, f"--records={other}", f"--out={tmp_path / 'run'}"]) == 2
    assert re.search(r"the model's vocabulary is \w{8}\.\.\. and that of .* \w{8}\.\.\.", capsys.readouterr().err)
