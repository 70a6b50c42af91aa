"""Trainings of several workers, as processes that TF_CONFIG tells of each other."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hosts import Hosts

from kaleido import configuration
from kaleido.app.logs import read_metrics

PATIENCE = 600.0
"""Seconds for what takes one on an idle machine."""


class Workers:
    """Workers of one training, each with its own file of the configuration; on the loopback if no hosts are given."""

    def __init__(self, backend: str, *config_files: Path, hosts: Hosts | None = None):
        addresses = hosts.addresses if hosts else ["127.0.0.1"] * len(config_files)
        cluster = {"worker": [f"{address}:{free_port()}" for address in addresses]}
        self.processes = []
        for index, file in enumerate(config_files):
            tf_config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
            command = [sys.executable, "-m", "kaleido", "pretrain", "--config", str(file)]
            command = hosts.command(index, command) if hosts else command
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CONFIG": tf_config}
            # Most of a start's time is compilation on JAX, of the same functions every time.
            environment["JAX_COMPILATION_CACHE_DIR"] = str(file.parents[1] / "compiled")
            environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
            self.processes.append(subprocess.Popen(command, env=environment, **pipes))

    def end(self) -> tuple[list[int], list[str]]:
        """Waits for them; their exit codes and last lines."""
        try:
            self.outputs = [process.communicate(timeout=PATIENCE)[0] for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
        lines = [(text.splitlines() or [""])[-1] for text in self.outputs]
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


def wait_for_points(log: Path, count: int, workers: Workers):
    """Waits until so many points are logged; tells what the workers said where they end before, or take too long."""
    deadline = time.monotonic() + PATIENCE
    while len(read_metrics(log)) < count:
        if time.monotonic() > deadline or any(process.poll() is not None for process in workers.processes):
            for process in workers.processes:
                process.terminate()
            codes, _ = workers.end()
            said = "\n".join(workers.outputs)
            raise AssertionError(f"{len(read_metrics(log))} points, not {count}; codes {codes}:\n{said}")
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
