"""Several workers, as processes on the loopback that TF_CONFIG tells of each other."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kaleido import configuration
from kaleido.app.cluster import Cluster, read_cluster
from kaleido.app.logs import read_metrics
from kaleido.errors import UserError


def test_the_chief_is_the_first(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert read_cluster() == Cluster(0, 1) and read_cluster().is_chief
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}}))
    assert read_cluster() == Cluster(2, 3, "a:1")


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}']
)
def test_an_unusable_tf_config_is_refused_with_an_example(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=r"TF_CONFIG must name this process.*host0:2222"):
        read_cluster()


class Workers:
    """Workers of one training, each with its own file of the configuration."""

    def __init__(self, backend: str, *config_files: Path):
        cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in config_files]}
        self.processes = []
        for index, file in enumerate(config_files):
            tf_config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
            command = [sys.executable, "-m", "kaleido", "pretrain", "--config", str(file)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CONFIG": tf_config}
            # Most of a start's time is compilation on JAX, of the same functions every time.
            environment["JAX_COMPILATION_CACHE_DIR"] = str(file.parents[1] / "compiled")
            environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
            self.processes.append(subprocess.Popen(command, env=environment, **pipes))

    def end(self) -> tuple[list[int], list[str]]:
        """Waits for them; their exit codes and last lines."""
        outputs = [process.communicate(timeout=240)[0] for process in self.processes]
        lines = [(text.splitlines() or [""])[-1] for text in outputs]
        return [process.returncode for process in self.processes], lines


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def configure(config, folder: Path, change) -> Path:
    """Writes a configuration whose run is in the same folder."""
    folder.mkdir(exist_ok=True)
    configuration.save(change(config, out=str(folder / "run")), folder / "config.yaml")
    return folder / "config.yaml"


def wait_for_points(log: Path, count: int):
    deadline = time.monotonic() + 240
    while len(read_metrics(log)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_same_curves(one: Path, other: Path):
    for a, b in zip(read_metrics(one), read_metrics(other), strict=True):
        for tag in (a.keys() | b.keys()) - {"examples_per_second"}:
            np.testing.assert_allclose(a[tag], b[tag], rtol=1e-4, atol=1e-4, err_msg=tag)


@pytest.fixture
def quiet(config, change):
    return change(
        config,
        **{
            "preprocess_config.max_text_length": 8,
            "model_config.dropout": 0.0,
            "model_config.attention_dropout": 0.0,
            "train_config.steps": 60,
            "train_config.log_every": 2,
            "train_config.save_every": 5,
            "train_config.accumulation": 2,
            "evaluate_config.every": 20,
        },
    )


@pytest.fixture(params=["tensorflow", "jax"])
def backend(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.mark.slow
def test_two_workers_train_like_one_and_survive_what_happens_to_them(backend, quiet, change, tmp_path):
    alone, two = (configure(quiet, tmp_path / name, change) for name in ("alone", "two"))
    assert Workers(backend, alone).end()[0] == [0]

    # A worker is killed, the chief is killed, one worker is asked to leave; each time the same commands go on.
    log = tmp_path / "two" / "run" / "metrics.jsonl"
    for victim, number, codes in (
        (1, signal.SIGKILL, [2, -signal.SIGKILL]),
        (0, signal.SIGKILL, [-signal.SIGKILL, 2]),
        (1, signal.SIGTERM, [128 + signal.SIGTERM] * 2),
    ):
        workers = Workers(backend, two, two)
        wait_for_points(log, len(read_metrics(log)) + 4)
        workers.processes[victim].send_signal(number)
        asked = time.monotonic()
        found, lines = workers.end()
        assert time.monotonic() - asked < 60
        assert found == codes
        for code, line in zip(found, lines):
            if code == 2:
                assert "lost another worker; start all of them again" in line
            if code == 128 + signal.SIGTERM:
                assert "and saved; the same command goes on from there" in line
    found, lines = Workers(backend, two, two).end()
    assert found == [0, 0]
    assert "everything is in" in lines[0] and "everything is in" not in lines[1]
    assert_same_curves(tmp_path / "alone" / "run" / "metrics.jsonl", log)


@pytest.mark.slow
def test_workers_that_do_not_see_the_same_folder_are_told(backend, quiet, change, tmp_path):
    quiet = change(quiet, **{"train_config.steps": 10})
    one, other = (configure(quiet, tmp_path / name, change) for name in ("one", "other"))
    assert Workers(backend, one).end()[0] == [0]
    (tmp_path / "one" / "run" / "metrics.json").unlink()
    codes, lines = Workers(backend, one, other).end()
    assert codes == [2, 2]
    assert all("different checkpoints" in line and "steps 10, 0" in line for line in lines)
