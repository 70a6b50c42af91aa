"""A saved model in use: photos in any form, texts, what each task's model can do, and what is refused."""

import io
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from model_fixtures import LABELS, TEXT_LENGTH
from PIL import Image

import kaleido
from kaleido.__main__ import main
from kaleido.app.model_folder import load_model
from kaleido.app.predictor import SignatureRunner
from kaleido.errors import UserError
from kaleido.pretrained import processor
from kaleido.pretrained.inputs import examples_of
from kaleido.pretrained.model import Model

pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.fixture(scope="module")
def models(model_folders) -> dict[str, Model]:
    return {task: kaleido.load(folder) for task, folder in model_folders.items()}


def forms(path: Path) -> list:
    """The same photo in every form."""
    picture = Image.open(path)
    return [str(path), path, path.read_bytes(), picture, np.asarray(picture), bytearray(path.read_bytes())]


def test_a_photo_may_be_given_in_any_form(models, photo_files):
    found = models["pretraining"].embed(forms(photo_files[0]), "red shirt")
    assert found.shape == (6, 16) and found.dtype == np.float32
    np.testing.assert_array_equal(found, np.repeat(found[:1], 6, axis=0))


def test_lists_generators_single_values_and_arrays(models, photo_files):
    model = models["pretraining"]
    texts = ["red shirt", "blue hat", "", "red hat number 3"]
    found = model.match(photo_files, texts)
    assert found.shape == (4,) and found.dtype == np.float32 and len(np.unique(found)) == 4
    assert ((found >= 0) & (found <= 1)).all()
    generators = model.match((path for path in photo_files), (text for text in texts), batch_size=3)
    np.testing.assert_allclose(generators, found, atol=1e-6)
    single = model.match(photo_files[1], "blue hat")
    assert single.shape == (1,)
    np.testing.assert_allclose(single, found[1:2], atol=1e-6)
    np.testing.assert_allclose(model.match(photo_files, "blue hat")[1], found[1], atol=1e-6)
    # One photo goes with each of several texts.
    np.testing.assert_allclose(model.match(photo_files[1], texts)[1], found[1], atol=1e-6)
    pixels = np.stack([np.asarray(Image.open(path).resize((30, 30))) for path in photo_files])
    np.testing.assert_array_equal(model.embed(pixels), model.embed(list(pixels)))
    np.testing.assert_array_equal(model.embed(np.array([*map(str, photo_files)])), model.embed(photo_files))


def test_nothing_gives_empty_arrays(models):
    assert models["pretraining"].match([], []).shape == (0,)
    assert models["pretraining"].embed([]).shape == (0, 16)
    assert models["contrastive"].encode_image([]).shape == models["contrastive"].encode_text([]).shape == (0, 256)
    assert models["category"].classify([]) == models["caption"].caption([]) == models["caption"].predict([]) == []


def test_photos_of_odd_kinds(models, photo_files, tmp_path):
    """CMYK, grey of 16 bits, transparent, animated and turned pictures give what their plain RGB versions give."""
    plain = Image.open(photo_files[0])
    grey = plain.convert("L")
    turned = plain.getexif()
    turned[0x0112] = 6
    transparent = plain.convert("RGBA")
    transparent.putalpha(255)
    kinds = {
        "cmyk.tif": (plain.convert("CMYK"), plain, {}),
        "grey.png": (Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), grey, {}),
        "clear.png": (transparent, plain, {}),
        "palette.gif": (grey.convert("P"), grey, {"save_all": True, "append_images": [grey.rotate(90)]}),
        "turned.png": (plain.rotate(90, expand=True), plain, {"exif": turned}),
    }
    model = models["pretraining"]
    for name, (picture, same, options) in kinds.items():
        picture.save(tmp_path / name, **options)
        opened = Image.open(tmp_path / name)
        found = model.embed([tmp_path / name, opened, (tmp_path / name).read_bytes(), same.convert("RGB")])
        np.testing.assert_allclose(found[:3], np.repeat(found[3:], 3, axis=0), atol=0.02, err_msg=name)


@pytest.mark.usefixtures("compiled")
def test_answers_are_those_of_the_model(model_folders, models, photo_files):
    """By the features of the processor, the plain functions of the loaded model give the same."""
    model, saved = models["retrieval"], load_model(model_folders["retrieval"])
    texts = ["red shirt", "blue hat", "hat", "shirt number 7"]
    batch = model.features(photo_files, batch_size=3)
    assert {name: values.shape for name, values in batch.items()} == {
        **{f"level{level}": (4, level**2, 64) for level in range(1, 6)},
        "positions": (4, 55, 5),
    }
    assert {values.dtype for values in batch.values()} == {np.dtype(np.float32)}
    for name, output, found in (
        ("match", "probability", model.match(photo_files, texts)),
        ("embed", "pooled", model.embed(photo_files, texts)),
        ("encode_image", "embedding", model.encode_image(photo_files)),
        ("encode_text", "embedding", model.encode_text(texts)),
    ):
        np.testing.assert_allclose(found, SignatureRunner(saved, name, 4)(batch, texts)[output], atol=1e-5)


def test_embeddings_of_a_two_tower_model(models, photo_files):
    model = models["contrastive"]
    photos, texts = model.encode_image(photo_files, batch_size=3), model.encode_text(["red shirt", "blue hat"])
    assert photos.shape == (4, 256) and texts.shape == (2, 256) and photos.dtype == texts.dtype == np.float32
    for found in (photos, texts):
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    many = model.encode_text((f"red shirt {n}" for n in range(20)), batch_size=3)
    np.testing.assert_allclose(many[7:8], model.encode_text("red shirt 7"), atol=1e-6)


def test_classes(models, photo_files):
    model = models["category"]
    found = model.classify(photo_files, "red shirt")
    assert [len(row) for row in found] == [3] * 4
    for row in found:
        probabilities = [probability for _, probability in row]
        assert probabilities == sorted(probabilities, reverse=True)
    every = model.classify(photo_files[0], "red shirt", top=10)[0]
    assert {label for label, _ in every} == set(LABELS)
    assert sum(probability for _, probability in every) == pytest.approx(1, abs=1e-5)
    (row,) = model.predict(photo_files[0], "red shirt")
    assert (row["label"], row["probability"]) == (every[0][0], pytest.approx(every[0][1], abs=1e-6))
    # Without texts, empty ones are read.
    assert model.classify(photo_files[0]) == model.classify(photo_files[0], "") != model.classify(photo_files[0], "hat")


@pytest.mark.usefixtures("compiled")
def test_captions(models, photo_files):
    model = models["caption"]
    captions = model.caption(photo_files)
    assert len(captions) == 4 and all(isinstance(caption, str) for caption in captions)
    assert [row["caption"] for row in model.predict(photo_files, batch_size=1)] == captions
    assert model.caption(photo_files[0], beams=1, no_repeat_ngram=0, length_penalty=0.5)[0]
    with pytest.warns(UserWarning, match="reads photos alone; the texts are not used"):
        model.predict(photo_files[0], "red shirt")


def test_what_a_model_knows_of_itself(models, model_folders):
    model = models["category"]
    assert model.task == "category" and model.labels == LABELS and model.text_length == TEXT_LENGTH
    assert model.signatures == ["embed", "classify"] and model.config["class"] == "Classifier"
    assert "category" in repr(model) and str(model_folders["category"]) in repr(model) and model.result is None


CANNOT = {
    ("pretraining", "encode_image"): "contrastive, pretraining, retrieval",
    ("pretraining", "encode_text"): "contrastive, pretraining, retrieval",
    ("pretraining", "classify"): "attribute, category, subcategory",
    ("category", "caption"): "caption",
    ("category", "match"): "pretraining, retrieval",
    ("contrastive", "match"): "pretraining, retrieval",
    ("contrastive", "embed"): "attribute, caption, category, pretraining, retrieval, subcategory",
}


@pytest.mark.parametrize(("task", "method"), CANNOT)
def test_a_method_that_a_model_lacks_names_the_tasks_that_have_it(models, photo_files, task, method):
    arguments = ["x"] if method == "encode_text" else [photo_files[0], "x"] if method == "match" else [photo_files[0]]
    # A test of the worked example may have registered its task in this process.
    having = CANNOT[task, method].replace("pretraining, ", "pretraining, (price, )?")
    message = f"this model of the task {task} has no {method}; .*models of the tasks {having} have it"
    with pytest.raises(UserError, match=message):
        getattr(models[task], method)(*arguments)


def wrong_calls(models, photo):
    broken = io.BytesIO()
    Image.new("RGB", (60, 60), "red").save(broken, "JPEG")
    pretrained, classifier, captioner = models["pretraining"], models["category"], models["caption"]
    yield lambda: pretrained.match([photo] * 3, ["a", "b"]), "Received: 3 photos and 2 texts"
    yield lambda: pretrained.match((photo for _ in range(3)), ["a"] * 4), "Received: 3 photos and more than 3 texts"
    yield lambda: pretrained.match([photo] * 3, (t for t in "ab")), "Received: more than 2 photos and 2 texts"
    yield lambda: pretrained.match(photo, None), "give texts. Received: None"
    yield lambda: pretrained.predict(photo), "give texts. Received: None"
    yield lambda: pretrained.match([photo] * 2, ["a", None]), "text 1, counted from 0, must be a str. Received: None"
    yield lambda: pretrained.match(photo, 5), "texts must be a str, or a list of them. Received: int"
    yield lambda: pretrained.embed([photo, "none.jpg"]), "none.jpg: photo cannot be read: No such file"
    yield lambda: pretrained.embed([photo, photo.parent]), f"{photo.parent}: photo cannot be read: Is a directory"
    yield lambda: pretrained.embed([photo, broken.getvalue()[:300]]), r"photo 1 \(bytes\): photo cannot be decoded"
    yield lambda: pretrained.embed([Image.new("RGB", (3, 9))]), r"photo 0 \(PIL image\): photo is too small"
    yield lambda: pretrained.embed([photo, np.zeros((9, 9, 3))]), r"photo 1 \(array\): photo must be uint8 \[H, W, 3\]"
    yield lambda: pretrained.embed(np.zeros((9, 9), np.uint8)), r"photo 0 \(array\): photo must be uint8"
    yield lambda: pretrained.embed([photo, float("nan")]), r"photo 1 \(float\): photo must be a path, bytes, .* nan"
    yield lambda: pretrained.embed(None), "photos must be a path, bytes.* Received: NoneType"
    yield lambda: pretrained.embed({"a": photo}), "photos must be .* Received: dict"
    yield lambda: pretrained.embed(io.BytesIO(b"x")), "photos must be .* Received: BytesIO"
    yield lambda: pretrained.embed(photo, batch_size=0), "batch_size must be an int of at least 1. Received: 0"
    yield lambda: pretrained.embed(photo, on_error="ignore"), "on_error must be one of stop, skip. Received: ignore"
    yield lambda: pretrained.predict(photo, "x", beams=2), "task pretraining takes no such options. Received: beams"
    yield lambda: classifier.classify(photo, top=0), "top must be at least 1. Received: 0"
    yield lambda: captioner.caption(photo, beams=0), "caption_config.beams must be in"
    yield lambda: captioner.caption(photo, beems=2), "unknown key beems; did you mean beams?"
    yield lambda: captioner.caption(photo, beams="many"), "beams must be an int. Received: many"
    yield lambda: captioner.caption(photo, decoder="mask_predict"), "was trained with the decoder causal"
    yield lambda: models["contrastive"].predict(photo), "has no match"


def test_what_cannot_be_done_is_told_in_one_line(models, photo_files):
    for call, message in wrong_calls(models, photo_files[0]):
        with pytest.raises(UserError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_unreadable_photos_are_skipped_with_one_warning(models, photo_files):
    photos = [photo_files[0], b"no photo", "none.png", photo_files[1], *[b"x"] * 5]
    with pytest.warns(UserWarning) as caught:
        found = models["pretraining"].match(photos, "red shirt", on_error="skip", batch_size=2)
    assert len(caught) == 1 and caught[0].filename == __file__
    message = str(caught[0].message)
    assert "photos that cannot be read: 7 (photo 1 (bytes): photo cannot be decoded" in message
    assert "none.png: photo cannot be read: No such file" in message and "; and 2 more)" in message
    assert np.isnan(found).tolist() == [False, True, True, False, *[True] * 5]
    readable = models["pretraining"].match(photo_files[:2], "red shirt")
    np.testing.assert_allclose(found[[0, 3]], readable, atol=1e-6)
    with pytest.warns(UserWarning):
        assert np.isnan(models["contrastive"].encode_image([b"x"], on_error="skip")).all()
        assert [len(row) for row in models["category"].classify([b"x", photo_files[0]], on_error="skip")] == [0, 3]
        assert models["caption"].caption([b"x"], on_error="skip") == [""]
        assert models["caption"].predict([b"x"], on_error="skip") == [{}]


def test_a_text_that_is_cut_is_told(models, photo_files):
    for call in (
        lambda text: models["pretraining"].match(photo_files[0], text),
        lambda text: models["contrastive"].encode_text(["hat", text]),
    ):
        with pytest.warns(
            UserWarning, match=f"texts cut to the {TEXT_LENGTH} positions that the model was trained with: 1"
        ):
            call("red shirt " * 20)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call("red shirt")


def test_the_extractor_is_built_once_and_for_photos_alone(model_folders, photo_files, monkeypatch):
    built = []

    def create(config):
        built.append(config.backbone)
        return created(config)

    created = processor.create_extractor
    monkeypatch.setattr(processor, "create_extractor", create)
    model = kaleido.load(model_folders["retrieval"])
    model.encode_text("red shirt")
    assert not built
    model.encode_image(photo_files)
    model.match(photo_files[:1], "red shirt")
    model.encode_image(photo_files[2:])
    assert built == ["random"]


def test_a_generator_is_read_a_few_photos_ahead(models, photo_files):
    """Of thousands of photos not all are in memory: when the first answers come, most are not read."""
    taken = []

    def photos():
        for number in range(400):
            taken.append(number)
            yield photo_files[number % 4]

    content = models["pretraining"].config
    groups, _ = examples_of(photos(), "red shirt")
    examples, _ = next(processor.PhotoProcessor(models["pretraining"].directory, content).batches(groups, 2))
    assert [example.place for example in examples] == [0, 1] and len(taken) < 200


def test_a_progress_bar_that_can_be_hidden(models, photo_files, capsys, monkeypatch):
    monkeypatch.setattr("kaleido.progress._is_watched", lambda: True)
    models["pretraining"].embed(photo_files)
    assert "4/4" in capsys.readouterr().err
    models["pretraining"].embed(photo_files, progress=False)
    models["caption"].caption(photo_files, progress=False)
    models["category"].classify(photo_files[0])
    assert capsys.readouterr().err == ""


def test_a_model_is_saved_with_its_card(models, model_folders, photo_files, tmp_path):
    models["category"].save(tmp_path / "new" / "model")
    saved = kaleido.load(tmp_path / "new" / "model")
    assert saved.classify(photo_files, "hat") == models["category"].classify(photo_files, "hat")
    card = (tmp_path / "new" / "model" / "README.md").read_text(encoding="utf-8")
    assert "4: dresses, shoes, flat, été, bags" in card and "model.classify(" in card and "$" not in card
    # People write into it, and it goes along.
    (tmp_path / "new" / "model" / "README.md").write_text("Mine.", encoding="utf-8")
    kaleido.load(tmp_path / "new" / "model").save(tmp_path / "again")
    assert (tmp_path / "again" / "README.md").read_text(encoding="utf-8") == "Mine."
    saved.save(tmp_path / "again")
    saved.save(saved.directory)
    assert kaleido.load(saved.directory).labels == LABELS
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    for other, message in (
        (tmp_path / "thesis", "holds other files than a model"),
        (photo_files[0], "name a new folder"),
    ):
        with pytest.raises(UserError, match=message):
            saved.save(other)
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == "years of work" and photo_files[0].is_file()


def test_weights_that_the_preparation_named_lie_in_the_folder(model_folders, photo_files, tmp_path):
    """The folder is all that inference needs: the saliency net's own weights are copied and preferred."""
    from kaleido.app.model_folder import save_model
    from kaleido.text import load_tokenizer
    from kaleido.vision.saliency.weights import SHIPPED

    saved, tokenizer = load_model(model_folders["pretraining"]), load_tokenizer(model_folders["pretraining"])
    mine = tmp_path / "mine"
    shutil.copytree(SHIPPED, mine)
    photos = {"backbone": "random", "saliency": "unet", "saliency_weights": str(mine)}
    save_model(
        tmp_path / "model", saved.model, "pretraining", tokenizer, processor={"text_length": 8, "photos": photos}
    )
    shutil.rmtree(mine)
    model = kaleido.load(tmp_path / "model")
    assert model.config["processor"]["files"] == {"saliency_weights": "saliency_weights"}
    found = model.embed(photo_files[:1])
    model.save(tmp_path / "copy")
    np.testing.assert_array_equal(kaleido.load(tmp_path / "copy").embed(photo_files[:1]), found)
    (tmp_path / "copy" / "saliency_weights" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match=r"saliency_weights/model.safetensors: damaged"):
        kaleido.load(tmp_path / "copy")
    save_model(tmp_path / "lost", saved.model, "pretraining", tokenizer, processor={"photos": photos})
    with pytest.raises(UserError, match=r"with the weights .*mine, which are not in the folder; put them back"):
        kaleido.load(tmp_path / "lost").embed(photo_files[:1])


def test_models_that_cannot_read_photos(model_folders, photo_files, tmp_path):
    from kaleido.app.model_folder import save_model
    from kaleido.text import load_tokenizer

    saved, tokenizer = load_model(model_folders["pretraining"]), load_tokenizer(model_folders["pretraining"])
    save_model(tmp_path / "unknown", saved.model, "pretraining", tokenizer)
    with pytest.raises(UserError, match="does not say how its photos were prepared"):
        kaleido.load(tmp_path / "unknown").embed(photo_files)
    photos = {"backbone": "efficientnet_lite0", "saliency": "none"}
    save_model(tmp_path / "other", saved.model, "pretraining", tokenizer, processor={"photos": photos})
    with pytest.raises(UserError, match="reads features of 64 numbers and the backbone that it names gives 1280"):
        kaleido.load(tmp_path / "other").embed(photo_files)


def test_a_training_in_another_precision_does_not_change_a_loaded_model(model_folders, photo_files):
    import keras

    wanted = kaleido.load(model_folders["pretraining"]).embed(photo_files)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kaleido.load(model_folders["pretraining"])
        np.testing.assert_array_equal(model.embed(photo_files), wanted)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_the_card_is_the_one_file_that_may_be_changed(models, tmp_path):
    models["contrastive"].save(tmp_path / "model")
    content = json.loads((tmp_path / "model" / "config.json").read_text())
    assert set(content["sha256"]) == {"model.safetensors", "sentencepiece.model"}


def test_a_model_in_float16_is_smaller_and_nearly_the_same(models, photo_files, tmp_path):
    models["contrastive"].save(tmp_path / "half", dtype="float16")
    half = kaleido.load(tmp_path / "half")
    small, large = ((model.directory / "model.safetensors").stat().st_size for model in (half, models["contrastive"]))
    assert small < 0.6 * large
    cosines = (half.encode_image(photo_files) * models["contrastive"].encode_image(photo_files)).sum(axis=1)
    assert (cosines > 0.999).all() and not (cosines == 1).all()
    # A copy of it stays as small.
    half.save(tmp_path / "copy")
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == (half.directory / "model.safetensors").read_bytes()


def test_records_that_are_prepared_like_a_model_fit_it(models, tmp_path, capsys):
    """Its backbone, saliency and vocabulary are taken; another one that is asked for is refused."""
    catalog = kaleido.Catalog.wardrobe(tmp_path / "catalog", products=8, photo_size=48)
    model = models["pretraining"]
    records = model.prepare(catalog, tmp_path / "records", progress=False, validation_fraction=0.2)
    tuned = model.finetune(records, "retrieval", tmp_path / "run", steps=1, batch_size=2, progress=False)
    assert tuned.task == "retrieval"
    arguments = ["--catalog", str(catalog.directory), "--out", str(tmp_path / "again"), "--model", str(model.directory)]
    assert main(["prepare", *arguments, "--prepare_config.validation_fraction", "0.2"]) == 0
    assert kaleido.Records(tmp_path / "again").metadata == records.metadata
    assert main(["prepare", *arguments, "--backbone", "efficientnet_lite0"]) == 2
    assert "prepare_config.backbone: the photos and texts of the model" in capsys.readouterr().err
