"""Files that a stranger wrote with right checksums: every one is refused in one line before anything is built."""

import json
import os
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import kaleido
from kaleido.app.model_folder import TRUSTED_VARIABLE, load_model, save_model
from kaleido.app.predictor import SignatureRunner
from kaleido.app.signatures import CLASSIFY
from kaleido.catalog import delimited, rejects, table_file
from kaleido.catalog.rejects import Rejects
from kaleido.checksums import file_sha256, seal, unseal
from kaleido.constants import LEVELS
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.tasks.classification.model import Classifier
from kaleido.text import SentencePieceTokenizer, WordPieceTokenizer
from kaleido.untrusted import check_folder, inner_file, parse_json, read_npz, read_plain

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "shirt"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "sound"
    sizes = {"num_layers": 1, "hidden_size": 8, "num_heads": 2, "intermediate_size": 8}
    model = Classifier(ModelConfig(vocab_size=len(TOKENS), feature_size=8, **sizes), "category", 3)
    photos = {"backbone": "random", "saliency": "border"}
    save_model(
        directory, model, "category", WordPieceTokenizer(TOKENS), labels=["a", "b", "c"], processor={"photos": photos}
    )
    return directory


@pytest.fixture
def folder(sound, tmp_path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "model"))


def change(directory: Path, changes: dict) -> None:
    """Writes keys of `config.json`, those of sections after `|`, and makes all checksums right."""
    path = directory / "config.json"
    content = unseal(path.read_bytes())
    for key, value in changes.items():
        *parents, last = key.split("|")
        part = content
        for parent in parents:
            part = part[parent]
        if value is KeyError:
            del part[last]
        else:
            part[last] = value
    for name in content["sha256"] if isinstance(content.get("sha256"), dict) else ():
        if (directory / name).is_file() and content["sha256"][name]:
            content["sha256"][name] = file_sha256(directory / name)
    path.write_bytes(seal(content))


def refusal(directory: Path, within: float = 10) -> str:
    started = time.monotonic()
    with pytest.raises(UserError) as refused:
        kaleido.load(directory)
    assert time.monotonic() - started < within
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


CHANGES = {
    "layers": ({"architecture|num_layers": 1000}, "num_layers does not fit the weights"),
    "many words": ({"architecture|vocab_size": 9_000_000}, "vocab_size does not fit the weights"),
    "wide": ({"architecture|hidden_size": 8_000_000}, "hidden_size does not fit the weights"),
    "long": ({"architecture|max_position_embeddings": 600}, "max_position_embeddings does not fit"),
    "features": ({"architecture|feature_size": 9}, "feature_size does not fit"),
    "text for a number": ({"architecture|num_heads": "2"}, "num_heads: must be a valid integer"),
    "no sizes": ({"architecture": {}}, "does not fit the weights"),
    "a list": ({"architecture": []}, "architecture: must be an object"),
    "an unknown size": ({"architecture|depth": 1}, "unknown keys: depth"),
    "labels": ({"labels": ["x"] * 100_000}, "more labels than the weights have classes"),
    "fewer labels": ({"labels": ["a"]}, "has the shape"),
    "no labels": ({"labels": KeyError}, "labels: field required"),
    "labels of numbers": ({"labels": [1, 2, 3]}, "labels.0: must be a valid string"),
    "a task of no name": ({"task": {"x": 1}}, "task: must be a valid string"),
    "another task": ({"task": "contrastive"}, "does not fit the weights"),
    "a section": ({"task_config": {"recognition_config": {"balance": 7}}}, "balance must be in"),
    "no processor": ({"processor": None}, "processor: "),
    "a weights file elsewhere": ({"processor|files": {"backbone_weights": "/etc/passwd"}}, "inside the folder"),
    "a file above": ({"sha256|../../x": "0" * 64}, "inside the folder"),
    "a device": ({"sha256|/dev/zero": "0" * 64}, "inside the folder"),
    "no checksums": ({"sha256": {}}, "sha256: "),
    "a checksum of another kind": ({"sha256|vocab.txt": ""}, "sha256.vocab.txt: "),
    "no checksum of the weights": ({"sha256|model.safetensors": KeyError}, "has no checksum of model.safetensors"),
    "no checksum of the vocabulary": ({"sha256|vocab.txt": KeyError}, "has no checksum of vocab.txt"),
}


@pytest.mark.parametrize(("changes", "message"), CHANGES.values(), ids=CHANGES)
def test_a_config_that_says_something_else(changes, message, folder):
    change(folder, changes)
    assert message in refusal(folder)


def test_a_sound_model_is_loaded(folder):
    change(folder, {})
    assert kaleido.load(folder).labels == ["a", "b", "c"]


@pytest.mark.parametrize("place", ["/dev/zero", "/etc/passwd", "pipe", "."])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_link_or_a_pipe_in_place_of_a_file(name, place, folder):
    (folder / name).unlink()
    os.mkfifo(folder / name) if place == "pipe" else (folder / name).symlink_to(place)
    refusal(folder, within=5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value, folder):
    arrays = load_file(folder / "model.safetensors")
    name = sorted(arrays)[3]
    arrays[name].reshape(-1)[-1] = value
    save_file(arrays, folder / "model.safetensors")
    change(folder, {})
    assert f"{name} holds values that are not finite" in refusal(folder)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool])
def test_weights_of_another_type(dtype, folder):
    arrays = load_file(folder / "model.safetensors")
    name = sorted(arrays)[3]
    save_file({**arrays, name: arrays[name].astype(dtype)}, folder / "model.safetensors")
    change(folder, {})
    assert "must hold float32" in refusal(folder)


def test_a_vocabulary_of_another_size(folder):
    (folder / "vocab.txt").write_text("\n".join([*TOKENS, "blue"]) + "\n")
    change(folder, {})
    assert "reads a vocabulary of 7 tokens. Received: 8" in refusal(folder)


@pytest.mark.parametrize("key", ["saliency_weights", "backbone_weights"])
def test_no_weights_outside_of_the_folder_are_read(key, folder, tmp_path):
    photos = {"backbone": "efficientnet_lite0", "saliency": "unet", key: str(tmp_path / "pipe")}
    os.mkfifo(tmp_path / "pipe")
    change(folder, {"processor|photos": photos})
    with pytest.raises(UserError, match="which are not in the folder"):
        kaleido.load(folder).classify([np.zeros((20, 20, 3), np.uint8)], progress=False)


def test_weights_that_records_name_are_copied_only_where_they_are_weights(tmp_path):
    """Records of a stranger may name any file as the weights that they were prepared with."""
    secret = tmp_path / "secrets"
    secret.mkdir()
    (secret / "key").write_text("secret")
    sizes = {"num_layers": 1, "hidden_size": 8, "num_heads": 2, "intermediate_size": 8}
    model = Classifier(ModelConfig(vocab_size=len(TOKENS), feature_size=8, **sizes), "category", 3)
    photos = {"saliency_weights": str(secret), "backbone_weights": str(secret / "key"), "backbone": "random"}
    save_model(tmp_path / "model", model, "category", WordPieceTokenizer(TOKENS), processor={"photos": photos})
    assert not [path for path in (tmp_path / "model").rglob("*") if path.name in ("key", "backbone_weights")]


def test_an_empty_vocabulary_is_told_by_us_alone(capfd):
    with pytest.raises(UserError, match="not a SentencePiece model"):
        SentencePieceTokenizer(b"")
    assert capfd.readouterr().err == ""


def test_a_message_has_an_end(folder):
    change(folder, {"architecture|" + "a" * 1_000_000: 1})
    message = refusal(folder)
    assert len(message) < 2100 and message.startswith(str(folder)) and "architecture.a" in message


def test_finite_weights_whose_answers_are_not(folder, uncompiled):
    path = folder / "model.safetensors"
    save_file({name: np.full_like(array, 3e38) for name, array in load_file(path).items()}, path)
    change(folder, {})
    runner = SignatureRunner(load_model(folder), CLASSIFY, 1)
    photo = {f"level{level}": np.ones((1, level**2, 8), np.float16) for level in LEVELS}
    with pytest.raises(UserError, match="not finite"):
        runner({**photo, "positions": np.ones((1, 55, 5), np.float32)}, ["red"])


def test_a_list_of_trusted_models(folder, tmp_path, monkeypatch):
    trusted = tmp_path / "trusted"
    trusted.write_text("# ours\n" + "0" * 64 + "  other/config.json\n")
    monkeypatch.setenv(TRUSTED_VARIABLE, str(trusted))
    assert "not in the list of trusted models" in refusal(folder)
    trusted.write_text(f"{file_sha256(folder / 'config.json')}  model/config.json\n")
    kaleido.load(folder)


# What all readers share.


@pytest.mark.parametrize("text", ["[" * 300 + "]" * 300, "NaN", "-Infinity", '"\\ud800"', "9" * 5000])
def test_json_that_no_program_of_ours_writes(text):
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a\0b", "a\\b", "link"])
def test_names_that_lead_out(name, tmp_path):
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match="must lie inside"):
        inner_file(tmp_path, name)


def test_a_file_above_its_limit(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 11)
    with pytest.raises(UserError, match=r"larger than such a file can be, 10 bytes\. Received: 11"):
        read_plain(tmp_path / "large", 10)


def test_a_folder_with_a_pipe(tmp_path):
    (tmp_path / "data").mkdir()
    check_folder(tmp_path)
    os.mkfifo(tmp_path / "data" / "x.lance")
    with pytest.raises(UserError, match=r"x\.lance: not a plain file"):
        check_folder(tmp_path)


def test_arrays_that_claim_to_be_larger_than_the_file(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.zeros(3))
    assert list(read_npz(path)) == ["a"]
    header = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header.ljust(127) + b"\n")
    with pytest.raises(ValueError, match="says that it is"):
        read_npz(path)
    np.savez_compressed(path, a=np.zeros(1_000_000))
    with pytest.raises(ValueError, match="is packed"):
        read_npz(path)


# Tables that expand to many rows.


@pytest.mark.parametrize("row", [b"\n", b"x\n", b",\n", b"\r", b"1,a,a.png\n", b'"\n'])
def test_a_packed_table_of_millions_of_rows(row, tmp_path, refused):
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", b"id,title,photos\n" + row * 2_000_000)
    started = time.monotonic()
    line = refused(
        "catalog", "import", "folder", tmp_path, "--table", path, "--out", tmp_path / "c", "--on-error", "skip"
    )
    assert "expands to more than 1,500,000 rows" in line
    assert time.monotonic() - started < 10


def test_rejects_are_bounded(monkeypatch):
    monkeypatch.setattr(rejects, "MOST_REJECTS", 3)
    found = Rejects("skip")
    for row in range(3):
        found.add("t.csv", row, "has no photo")
    with pytest.raises(UserError, match=r"more than 3 rows and photos cannot be used.* The first, row 0: has no photo"):
        found.add("t.csv", 3, "has no photo")


def test_blank_rows_are_bounded(monkeypatch, tmp_path, refused):
    monkeypatch.setattr(delimited, "MOST_BLANK", 100)
    (tmp_path / "t.csv").write_text("id,title,photos\n" + "\n" * 101)
    assert "more than 100 blank rows, up to row 102" in refused(
        "catalog", "import", "folder", tmp_path, "--table", "t.csv", "--out", tmp_path / "c"
    )


def test_a_packed_table_may_have_a_row_for_each_byte(monkeypatch, tmp_path):
    monkeypatch.setattr(table_file, "FREE_ROWS", 10)
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("t.csv", "".join(f"{n},a\n" for n in range(100)))
    with table_file.file_in_zip(path, "t.csv").open() as file:
        assert len(file.readlines()) == 100


# Checksums of candidate lists, checkpoints and indices are tried by tests/campaigns/fuzz_resealed.py.


def test_a_catalogue_of_odd_values(tmp_path):
    from kaleido.catalog.catalog import Catalog

    (tmp_path / "photos").mkdir()
    header = {
        "format": 1,
        "name": "x",
        "kind": "folder",
        "sources": {"s": {"kind": "folder", "path": "photos"}},
        "products": 1,
        "photos": 1,
        "importer": {},
    }
    product = {"id": "a", "title": "A", "photos": [{"id": "p", "uri": "s/a.png", "box": [0, 0, 1, 1]}]}

    def opened(header, product):
        (tmp_path / "catalog.json").write_text(json.dumps(header))
        (tmp_path / "products.jsonl").write_text(json.dumps(product) + "\n")
        return Catalog.open(tmp_path)

    assert len(opened(header, product)) == 1
    for wrong in ({"sources": {"s": []}}, {"products": -1}, {"products": True}, {"name": None}, {"sources": {"s": {}}}):
        with pytest.raises(UserError, match="import again with --overwrite"):
            opened({**header, **wrong}, product)
    for wrong in (
        {"attributes": {"x": 1}},
        {"attributes": []},
        {"photos": [{"id": "p", "uri": "s/a.png", "box": [0, 0, 1, float("nan")]}]},
        {"photos": {}},
        {"colour": "red"},
        {"id": 5},
    ):
        with pytest.raises(UserError, match=r"products\.jsonl, row 1: .*import again with --overwrite"):
            opened(header, {**product, **wrong})
