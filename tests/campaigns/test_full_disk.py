"""Every verb on a disk that refuses: one line, and the same command goes on when there is room again."""

import hashlib
import resource
from contextlib import contextmanager

import pytest
from shop import write_shop

from kaleido.__main__ import main

PREPARE = [
    "--prepare_config.backbone=random",
    "--prepare_config.vocabulary_size=200",
    "--prepare_config.shard_photos=9",
]
PRETRAIN = {
    "model_config": {"size": "tiny", "num_layers": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32},
    "train_config": {"batch_size": 4, "steps": 4, "log_every": 1, "save_every": 2, "deterministic": "true"},
    "evaluate_config": {"every": 2},
}
OPTIONS = [f"--{name}.{key}={value}" for name, section in PRETRAIN.items() for key, value in section.items()]


def generate(out):
    return ["catalog", "generate", "--products=40", "--photo-size=48", "--workers=1", f"--out={out}/w"]


@contextmanager
def largest_file(size):
    """A disk that refuses to let a file grow beyond some bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    folder = tmp_path_factory.mktemp("road")
    assert main(generate(folder)) == 0
    write_shop(folder / "w", folder / "shop")
    assert main(["prepare", f"--catalog={folder}/w", f"--out={folder}/records", *PREPARE]) == 0
    return folder


def sums(folder):
    paths = (path for path in folder.rglob("*") if path.is_file() and "tensorboard" not in path.parts)
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["generate", "import", "prepare", "pretrain"])
def test_one_line_and_then_on(road, tmp_path, capsys, stage):
    sizes, verb = {
        "generate": ((0, 60, 200, 3000), generate),
        "import": (
            (0, 100, 2000),
            lambda out: ["catalog", "import", "folder", f"{road}/shop", f"--out={out}/w", "--on-error=skip"],
        ),
        "prepare": (
            (0, 1000, 10_000, 300_000, 1_000_000),
            lambda out: ["prepare", f"--catalog={road}/w", f"--out={out}/r", *PREPARE],
        ),
        "pretrain": (
            (0, 3000, 80_000),
            lambda out: ["pretrain", f"--records={road}/records", f"--out={out}/run", *OPTIONS],
        ),
    }[stage]
    refused = 0
    for size in sizes:
        with largest_file(size):
            code = main(verb(tmp_path / "disturbed"))
        error = capsys.readouterr().err
        assert "Traceback" not in error
        if code == 2:
            refused += 1
            assert "cannot be written" in error.splitlines()[-1] and "File too large" in error.splitlines()[-1]
            assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
        else:
            assert code == 0
    assert refused > 1
    assert main(verb(tmp_path / "disturbed")) == 0
    assert main(verb(tmp_path / "whole")) == 0
    if stage != "pretrain":
        assert sums(tmp_path / "disturbed") == sums(tmp_path / "whole")
