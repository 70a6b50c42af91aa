"""Parity with reference sets: two tiny ones of our own, and the original's where `../shared` has it.

The tiny ones come from `make_tiny_reference.py`: a forward pass, gradients and training steps in plain NumPy.
"""

import json
import shutil
from pathlib import Path

import make_tiny_reference as tiny
import numpy as np
import pytest

from kaleido.__main__ import main
from kaleido.model.config import QUIRKS
from kaleido.original.checkpoint import OriginalCheckpoint
from kaleido.original.parity import Reference, compare, compute

ORIGINAL = Path(__file__).parents[2] / ".." / "shared" / "reference" / "original_a"
FULL, SHORT = (tiny.DIRECTORY / variant for variant in tiny.VARIANTS)
WITHOUT_EFFECT = ("input_dropout", "short_segment_table")
"""Quirks that change nothing where there is no dropout, and where the table is long enough."""

pytestmark = pytest.mark.usefixtures("uncompiled")

REFERENCES = [
    FULL,
    SHORT,
    pytest.param(
        ORIGINAL, marks=[pytest.mark.slow, pytest.mark.skipif(not ORIGINAL.is_dir(), reason="not beside the checkout")]
    ),
]


@pytest.fixture
def reference(tmp_path):
    shutil.copytree(FULL, tmp_path / "reference", copy_function=shutil.copyfile)
    return tmp_path / "reference"


@pytest.mark.parametrize("directory", REFERENCES, ids=lambda directory: directory.name)
def test_our_model_computes_what_the_reference_holds(directory, tmp_path, capsys):
    assert main(["parity", str(directory), "--dump", str(tmp_path / "out.npz")]) == 0
    assert capsys.readouterr().out.endswith("everything agrees\n")
    with np.load(tmp_path / "out.npz") as dump, np.load(directory / "expected.npz") as expected:
        assert set(dump) == set(expected)
        np.testing.assert_allclose(dump["loss_curve"], expected["loss_curve"], rtol=1e-5)
        assert set(dump["grad_names"]) == set(expected["grad_names"])


def computed(directory, without=None):
    """The reference, and what our model computes on its batch."""
    reference = Reference(directory)
    columns = reference.columns("batch.npz")
    return reference, compute(reference, columns, reference.compatibility(without))


def test_segment_tables_that_are_not_read_have_gradients_of_zero():
    _, results = computed(SHORT)
    norms = dict(zip(results["grad_names"], results["grad_norms"]))
    names = ["blank_embeddings/blankmask", "greymask_embeddings/greymask", "camouflage_embeddings/camouflage"]
    names += ["jigsaw_embeddings/jigsaw", "rotation_embeddings/rotation"]
    found = [norms[f"{tiny.PREFIX}bert/{name}_type_embeddings"] for name in names]
    assert found[:3] == [0, 0, 0] and min(found[3:]) > 0


def test_a_short_segment_table_needs_its_quirk(capsys):
    assert main(["parity", str(SHORT), "--without", "short_segment_table"]) == 2
    assert "segment_vocab_size must be at least 6" in capsys.readouterr().err


@pytest.mark.parametrize("quirk", QUIRKS)
def test_leaving_out_a_quirk_shows(quirk):
    reference, results = computed(FULL, quirk)
    agrees = all(found.agrees for found in compare(reference.expected, results))
    assert agrees == (quirk in WITHOUT_EFFECT)


@pytest.mark.parametrize("variant", tiny.VARIANTS)
def test_the_shipped_values_are_those_of_the_script(variant):
    directory, segments = tiny.DIRECTORY / variant, tiny.VARIANTS[variant]["segments"]
    checkpoint = OriginalCheckpoint(directory / "tiny.ckpt-1")
    weights = {name: checkpoint.read(tiny.PREFIX + name).astype(np.float64) for name in tiny.shapes(segments)}
    with np.load(directory / "batch.npz") as batch, np.load(directory / "expected.npz") as expected:
        for name, values in tiny.forward(weights, dict(batch)).items():
            np.testing.assert_allclose(expected[name], values, rtol=1e-6, err_msg=name)


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
        (lambda folder: (folder / "config.json").write_text(json.dumps({"vocab_size": 1})), "vocab_size 1, not 20"),
    ],
)
def test_a_folder_that_is_no_reference_set(reference, capsys, damage, words):
    damage(reference)
    assert main(["parity", str(reference)]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_no_such_quirk(capsys):
    assert main(["parity", str(FULL), "--without", "rawpositions"]) == 2
    assert "raw_positions" in capsys.readouterr().err
