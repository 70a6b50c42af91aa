"""Several workers, as processes on the loopback that TF_CONFIG tells of each other."""

import json
import signal
import time

import pytest
from workers import Workers, assert_same_curves, configure, wait_for_points

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
        wait_for_points(log, len(read_metrics(log)) + 4, workers)
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


def test_workers_on_jax_wait_for_the_last_one_before_they_add_up(monkeypatch):
    pytest.importorskip("jax")
    from jax._src import distributed

    from kaleido.app.cluster import Cluster
    from kaleido.app.cluster_jax import JaxCluster

    class Client:
        there, looks = [], 0

        def key_value_set(self, key, value):
            self.there.append((key, value))

        def key_value_dir_get(self, prefix):
            self.looks += 1
            if self.looks == 3:
                self.key_value_set(f"{prefix}0", "there")
            return [key for key, _ in self.there if key.startswith(prefix)]

    client = Client()
    monkeypatch.setattr(distributed.global_state, "client", client)
    workers = JaxCluster.__new__(JaxCluster)
    workers._cluster, workers._met = Cluster(1, 2, "host:1"), False
    workers.meet()
    workers.meet()
    assert client.looks == 3
