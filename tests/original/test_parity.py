import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kaleido.__main__ import main

REFERENCE = Path(__file__).parents[2] / ".." / "shared" / "reference" / "original_a"

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference values beside the checkout")


@pytest.fixture
def reference(tmp_path):
    shutil.copytree(REFERENCE, tmp_path / "reference", copy_function=shutil.copyfile)
    return tmp_path / "reference"


@pytest.mark.slow
def test_our_model_computes_what_the_original_did(tmp_path, capsys):
    assert main(["parity", str(REFERENCE), "--dump", str(tmp_path / "out.npz")]) == 0
    assert capsys.readouterr().out.endswith("everything agrees\n")
    with np.load(tmp_path / "out.npz") as dump, np.load(REFERENCE / "expected.npz") as expected:
        assert set(dump) == set(expected)
        np.testing.assert_allclose(dump["loss_curve"], expected["loss_curve"], rtol=1e-5)
        assert set(dump["grad_names"]) == set(expected["grad_names"])


@pytest.mark.slow
def test_a_difference_is_shown_and_told_by_the_exit_code(reference, capsys):
    with np.load(reference / "expected.npz") as file:
        expected = dict(file)
    expected["itm_logits"] = expected["itm_logits"] * 1.001
    np.savez(reference / "expected.npz", **expected)
    assert main(["parity", str(reference), "--without", "joint_grey_softmax"]) == 1
    lines = capsys.readouterr().out.splitlines()
    differing = {line.split()[0] for line in lines if line.endswith("differs")}
    assert {"itm_logits", "loss_grey", "loss_total"} <= differing and "mlm_logits" not in differing


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "batch.tsv").unlink(), "batch.tsv"),
        (lambda folder: (folder / "training.json").write_text("{"), "training.json: not JSON"),
        (lambda folder: (folder / "training.json").write_text('{"lr_decay": "polynomial"}'), "lacks weight_decay"),
        (lambda folder: (folder / "expected.npz").write_bytes(b"PK"), "expected.npz"),
        (lambda folder: next(folder.glob("*.index")).unlink(), "one checkpoint"),
        (lambda folder: (folder / "schema.txt").write_text("input_ids:int"), "input_ids"),
        (lambda folder: (folder / "config.json").write_text(json.dumps({"vocab_size": 1})), "vocab_size 1, not 3000"),
    ],
)
def test_a_folder_that_is_no_reference_set(reference, capsys, damage, words):
    damage(reference)
    assert main(["parity", str(reference)]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_no_such_quirk(capsys):
    assert main(["parity", str(REFERENCE), "--without", "rawpositions"]) == 2
    assert "raw_positions" in capsys.readouterr().err
