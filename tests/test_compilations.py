"""What JAX compiles is kept for later processes, in processes of their own: JAX reads its settings when it starts."""

import os
import subprocess
import sys

import pytest

from kaleido import compilations

PROGRAM = """
from kaleido.backend import import_backend
import_backend()
import jax
jax.jit(lambda values: jax.lax.fori_loop(0, 9, lambda i, v: v @ v + i, values))(jax.numpy.ones((8, 8)))
print(jax.config.jax_compilation_cache_dir)
"""


def run(**environment) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    threshold = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**kept, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", **threshold, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.mark.slow
def test_programs_are_kept_where_they_may_be(tmp_path):
    pytest.importorskip("jax")
    folder = tmp_path / "cache"
    assert run(KALEIDO_CACHE=str(folder)).stdout.strip().startswith(str(folder / "xla"))
    kept = {path for path in folder.rglob("*") if path.is_file()}
    assert kept
    run(KALEIDO_CACHE=str(folder))
    assert {path for path in folder.rglob("*") if path.is_file()} == kept

    assert run(KALEIDO_CACHE=str(tmp_path / "off"), JAX_ENABLE_COMPILATION_CACHE="false").stdout.strip() == "None"
    elsewhere = str(tmp_path / "elsewhere")
    assert run(KALEIDO_CACHE=str(tmp_path / "off"), JAX_COMPILATION_CACHE_DIR=elsewhere).stdout.strip() == elsewhere
    assert not (tmp_path / "off").exists()

    (tmp_path / "file").touch()
    refused = run(KALEIDO_CACHE=str(tmp_path / "file"))
    assert refused.stdout.strip() == "None"
    assert [line for line in refused.stderr.splitlines() if "compiled programs are not kept" in line]


def test_the_oldest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(compilations, "LARGEST", 25)
    for age, name in enumerate(("new", "older", "oldest")):
        path = tmp_path / "processor" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(10))
        os.utime(path, (1000 - age, 1000 - age))
    compilations._bound(tmp_path)
    assert {path.name for path in (tmp_path / "processor").iterdir()} == {"new", "older"}
