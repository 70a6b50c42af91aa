"""The released model on the released files, as one preset of the experiments; files written here in their layout."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from original_files import VOCABULARY_SIZE, original_columns, write_columns, write_vocabulary
from stages_here import stages_made_here

from kaleido.__main__ import main
from kaleido.model.config import Compatibility, ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.original.batches import batch_of
from kaleido.original.checkpoint import OriginalCheckpoint, save_original
from kaleido.records.open import open_records

REFERENCE = Path(__file__).parents[2] / ".." / "shared" / "reference" / "original_a"
QUERIES, CANDIDATES = 4, 3


def retrieval_columns(direction: str, feature_size: int, vocabulary_size: int) -> dict:
    """Lists one after another, each with one positive; the first candidate but one."""
    columns = original_columns("retrieval", QUERIES * CANDIDATES, feature_size)
    query, candidate = np.divmod(np.arange(QUERIES * CANDIDATES), CANDIDATES)
    own = candidate == 1
    other = np.char.add(np.char.add("p", query.astype(str)), np.where(own, "", np.char.add("-", candidate.astype(str))))
    mine = np.char.add("p", query.astype(str))
    text, photo = (other, mine) if direction == "i2t" else (mine, other)
    # The same text and the same photo look the same wherever they occur.
    for names, ids in (("text_prod_id", text), ("image_prod_id", photo)):
        _, first = np.unique(ids, return_index=True)
        first = first[np.unique(ids, return_inverse=True)[1]]
        group = ("input_ids", "input_mask", "segment_ids", "prod_desc")
        if names == "image_prod_id":
            group = tuple(name for name in columns if name.startswith("img_") or name in ("image_mask", "prod_img_id"))
        for name in group:
            columns[name] = columns[name][first]
        columns[names] = ids
    columns["input_ids"] = columns["input_ids"] % vocabulary_size
    columns["nx_sent_labels"] = own[:, None].astype(np.int32)
    return columns


def recognition_columns(rows: int, feature_size: int, seed: int) -> dict:
    columns = original_columns("recognition", rows, feature_size, seed=seed)
    for name, classes in (("img_category", 2), ("img_subcategory", 3)):
        numbers = np.arange(rows) % classes
        columns[f"{name}_id"] = numbers[:, None].astype(np.int32)
        columns[name] = np.char.add(f"{name} ", numbers.astype(str))
    return columns


def write_preset(folder: Path, checkpoint: Path, vocabulary: Path, feature_size: int, vocabulary_size: int) -> Path:
    files = {"checkpoint": str(checkpoint), "vocabulary": str(vocabulary)}
    for direction in ("i2t", "t2i"):
        columns = retrieval_columns(direction, feature_size, vocabulary_size)
        write_columns(folder / f"retrieve_{direction}__a", columns)
        files[direction] = str(folder / f"retrieve_{direction}*")
    for split, name in (("train", "finetune_train"), ("validation", "finetune_valid")):
        write_columns(
            folder / f"{name}__a", recognition_columns(8 if split == "train" else 5, feature_size, len(split))
        )
        files[split] = str(folder / f"{name}*")
    training = {"batch_size": 4, "steps": 2, "tensorboard": False, "save_every": 100}
    training["optimizer_config"] = {"name": "adam", "weight_decay": 0.0, "original": True}
    preset = {
        "title": "the original's layout",
        "kind": "original",
        "share_process": True,
        "files": files,
        "finetune": {"train_config": training, "evaluate_config": {"split": "validation"}},
        "retrieve": {"resamples": 10},
    }
    (folder / "tried.yaml").write_text(yaml.safe_dump(preset))
    return folder / "tried.yaml"


def fill(preset: Path, folder: Path, capsys) -> dict:
    runs = folder / "runs"
    command = ["experiments", str(preset), "--out", str(runs)]
    assert main(command) == 0
    assert "all 8 stages are done" in capsys.readouterr().out
    assert main(command) == 0
    assert "8 of 8 stages are done" in capsys.readouterr().out
    assert main(["report", str(runs), "--out", str(folder / "report")]) == 0
    data = json.loads((folder / "report" / "report.json").read_text())
    for table, rows in (("table2", ("SumR", "ITR R@1", "TIR R@10")), ("table3", ("SumCLS", "CR ACC", "SUB macro-F"))):
        for row in rows:
            cell = data["tables"][table][row]["Kaleido-BERT"]
            assert cell["values"] and all((runs / source).is_file() for source in cell["sources"]["0"])
    assert data["tables"]["table3"]["SumCAP"]["Kaleido-BERT"]["missing"] == "no run"
    assert data["tables"]["table2"]["TIR R@5"]["Kaleido-BERT"]["mean"] == 100.0
    assert data["tables"]["table4"]["SumR"]["B+I-V"]["missing"] == "no run"
    told = {row["what"]: row["ours"] for row in data["differences"]}
    assert told["pre-training"] == "the released checkpoint" and told["model"].startswith("2 layers")
    return data


def recomputed(model: KaleidoBert, folder: Path, direction: str) -> list[float]:
    """Rank@1, 5 and 10 in percent, by the model on the lines as they are, three at a time."""
    paths = (folder / "runs" / "stages").glob("records-*/records")
    for path in paths:
        metadata = json.loads((path / "metadata.json").read_text())
        if metadata["content"] == "retrieval":
            records = open_records(path, "train")
            labels = records.index.columns["itm_label"]
            photos = records.index.columns["image_product_id"]
            if (len(set(photos[:CANDIDATES].tolist())) == 1) == (direction == "i2t"):
                break
    batch = batch_of(records.examples(np.arange(len(labels))), records.photo_size, True)
    logits = np.asarray(model.heads["itm"](model.encode(batch, training=False)[2]))
    scores = (logits[:, 1] - logits[:, 0]).reshape(QUERIES, CANDIDATES)
    ranks = 1 + (scores > scores[:, 1:2]).sum(axis=1)
    return [100 * float((ranks <= k).mean()) for k in (1, 5, 10)]


@pytest.mark.usefixtures("uncompiled")
def test_files_in_the_originals_layout(tmp_path, capsys):
    keras.utils.set_random_seed(5)
    config = ModelConfig(VOCABULARY_SIZE, 4, 2, 8, 2, 12, 64, initializer_range=0.5, compatibility=Compatibility(True))
    save_original(KaleidoBert(config), tmp_path / "kaleidobert.ckpt-7")
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 2}))
    vocabulary = write_vocabulary(tmp_path / "vocab.txt")
    preset = write_preset(tmp_path, tmp_path / "kaleidobert.ckpt-7", vocabulary, 4, VOCABULARY_SIZE)
    with stages_made_here():
        data = fill(preset, tmp_path, capsys)
    found = OriginalCheckpoint(tmp_path / "kaleidobert.ckpt-7")
    model = KaleidoBert(found.model_config())
    found.load_into(model)
    for direction, task in (("i2t", "ITR"), ("t2i", "TIR")):
        cells = [data["tables"]["table2"][f"{task} R@{k}"]["Kaleido-BERT"]["mean"] for k in (1, 5, 10)]
        assert cells == pytest.approx(recomputed(model, tmp_path, direction))


@pytest.mark.slow
@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference set is not here")
def test_the_reference_checkpoint(tmp_path, capsys):
    vocabulary = tmp_path / "vocab.txt"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(2995))]
    vocabulary.write_text("\n".join(tokens) + "\n")
    preset = write_preset(tmp_path, REFERENCE / "kaleidobert.ckpt-50683", vocabulary, 96, VOCABULARY_SIZE)
    fill(preset, tmp_path, capsys)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"files": {"vocabulary": "v"}}, "files.checkpoint is missing"),
        ({"files": {"checkpoint": "c", "vocabulary": "v", "pretrain": "p"}}, "unknown key files.pretrain"),
        ({"files": {"checkpoint": "none.ckpt-1", "vocabulary": "none"}}, "no such file: none.ckpt-1.index"),
    ],
)
def test_files_that_are_not_there(tmp_path, monkeypatch, capsys, change, words):
    monkeypatch.chdir(tmp_path)
    Path("tried.yaml").write_text(yaml.safe_dump({"kind": "original", **change}))
    assert main(["experiments", "tried.yaml", "--out", "runs"]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and not Path("runs").exists()
