"""Preparation by the tasks of a cluster gives the bytes of one process."""

import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from clusters import Sequential

from kaleido import __version__
from kaleido.__main__ import main
from kaleido.catalog.catalog import Catalog
from kaleido.cluster import Cluster, ClusterConfig, _run, check_address, choose_cpus, connected
from kaleido.errors import UserError
from kaleido.records.place import partial_directory
from kaleido.records.prepare import CatalogSource, make_catalog_records

NODES = {"CPU": 2.0}


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.fixture(scope="module")
def wardrobe(tmp_path_factory) -> Catalog:
    return Catalog.wardrobe(tmp_path_factory.mktemp("wardrobe") / "catalog", 30, workers=1, photo_size=64)


def test_tasks_that_are_made_twice_and_in_any_order_give_the_bytes_of_one_process(tmp_path, wardrobe, prepare_config):
    make_catalog_records(wardrobe, tmp_path / "one", prepare_config)
    summary = make_catalog_records(wardrobe, tmp_path / "records", prepare_config, cluster=Sequential())
    assert contents(tmp_path / "records") == contents(tmp_path / "one")
    assert summary.made == wardrobe.photo_count
    assert not partial_directory(tmp_path / "records").exists()


def test_a_node_that_does_not_see_the_folder_is_told(tmp_path, wardrobe, prepare_config, monkeypatch):
    class Elsewhere:
        def map(self, function, common, items):
            return (function(replace(common, work=common.work / "elsewhere"), item) for item in items)

    with pytest.raises(UserError, match="not there; the folder of the records must be on a disk that all nodes share"):
        make_catalog_records(wardrobe, tmp_path / "records", prepare_config, cluster=Elsewhere())


def test_a_file_that_is_never_seen_here_is_told(tmp_path, wardrobe, prepare_config, monkeypatch):
    class Unseen:
        def map(self, function, common, items):
            return iter(items)

    monkeypatch.setattr("kaleido.records.making._SEEN_WITHIN", 0.0)
    with pytest.raises(UserError, match="train-00000, and it is not to be seen here; the folder must be on a disk"):
        make_catalog_records(wardrobe, tmp_path / "records", prepare_config, cluster=Unseen())


@pytest.mark.parametrize(
    "address",
    ["", "ray", "ray://", "ray://host", "ray://host:port", "ray://a b:1", "host:10001", "http://host:1"],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UserError, match=r"local, auto or ray://HOST:PORT.*Received: ") as error:
        check_address(address)
    assert "\n" not in str(error.value)


def test_ray_that_does_not_start_on_this_machine_is_tried_again_and_told(monkeypatch):
    ray = pytest.importorskip("ray")
    tries = []

    def init(address, **options):
        tries.append(address)
        raise Exception("The current node timed out during startup.\nlong words")  # Ray's own

    monkeypatch.setattr(ray, "init", init)
    told = pytest.raises(UserError, match=r"cluster local: The current node timed out during startup\. long words")
    with told as error, connected("local", ClusterConfig()):
        pass
    assert tries == ["local"] * 3 and "\n" not in str(error.value)


def test_a_cluster_that_refuses_or_does_not_answer_is_told_with_what_to_look_at(monkeypatch):
    ray = pytest.importorskip("ray")

    def init(address, **options):
        try:
            raise RuntimeError("InvalidAuthToken: Authentication token is missing or incorrect")
        except RuntimeError as error:
            raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379") from error

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    told = pytest.raises(UserError, match=r"cluster auto: Failed to connect .*RAY_AUTH_TOKEN or ~/\.ray/auth_token")
    with told as error, connected("auto", ClusterConfig()):
        pass
    assert "\n" not in str(error.value)


class Engine:
    """Ray, whose nodes are given as lists for one look after the other and whose tasks never end."""

    exceptions = SimpleNamespace(RayTaskError=KeyError, RayError=KeyError)
    cloudpickle = pickle

    def __init__(self, *looks):
        self.looks = [[{"Alive": True, "Resources": resources} for resources in look] for look in looks]

    def nodes(self):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def remote(self, **options):
        return lambda function: SimpleNamespace(remote=lambda *arguments: "task")

    def put(self, value):
        return value

    def wait(self, pending, timeout):
        return [], pending

    def get(self, done):
        return done


def test_nodes_that_go_are_told_and_without_any_that_can_run_a_task_the_command_ends(monkeypatch, capsys):
    monkeypatch.setattr("kaleido.cluster._LOOK", 0.0)
    monkeypatch.setattr("kaleido.cluster._NOBODY", 0.0)
    engine = Engine([NODES, NODES], [NODES], [{}])
    cluster = Cluster(engine, [NODES, NODES], ClusterConfig())
    with pytest.raises(UserError, match=r"no node of the cluster has the 2 CPUs .*Received: 1 nodes, 0 CPUs"):
        list(cluster.map(print, None, [1]))
    said = capsys.readouterr()
    assert "cluster: 1 nodes, 2 before; tasks of a lost node are given to others" in said.out + said.err


def test_a_head_that_no_longer_answers_is_told(monkeypatch):
    monkeypatch.setattr("kaleido.cluster._LOOK", 0.0)
    monkeypatch.setattr("kaleido.cluster._LOST", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        head = server.getsockname()
    cluster = Cluster(Engine([NODES]), [NODES], ClusterConfig(), head)
    with pytest.raises(UserError, match=f"the head of the cluster no longer answers at 127.0.0.1:{head[1]}"):
        list(cluster.map(print, None, [1]))
    assert cluster.lost


def test_a_catalogue_that_a_node_does_not_see_is_told(wardrobe, prepare_config, tmp_path, monkeypatch):
    folder = shutil.copytree(wardrobe.directory, tmp_path / "seen")
    shared = SimpleNamespace(hex=lambda: "here", data=pickle.dumps(CatalogSource(Catalog.open(folder), prepare_config)))
    shutil.rmtree(folder)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda one: one.data, cloudpickle=pickle))
    setting = (__version__, "tensorflow", os.getcwd(), ())
    result, problem = _run(print, setting, [shared], 1)
    assert result is None and f"{folder} holds no finished catalogue" in problem and "(node " in problem


def test_an_address_where_nobody_answers_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = f"ray://127.0.0.1:{port}"
    with (
        pytest.raises(UserError, match=f"no cluster answers at {address}: .*refused"),
        connected(address, ClusterConfig()),
    ):
        pass


def test_a_head_that_the_environment_names_and_that_does_not_answer_is_told(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")
    told = pytest.raises(UserError, match=r"no cluster answers at 127\.0\.0\.1:.*refused")
    with told, connected("auto", ClusterConfig()):
        pass


@pytest.mark.parametrize("option", [["--shard", "1/2"], ["--overwrite", "true"]])
def test_options_that_do_not_go_with_a_cluster_are_refused(tmp_path, option, capsys):
    arguments = ["prepare", "--catalog", str(tmp_path), "--out", str(tmp_path / "out"), "--cluster", "local", *option]
    assert main(arguments) == 2
    assert f"{option[0]} does not go with --cluster" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("nodes", "config", "cpus"),
    [
        ([{"CPU": 4.0}, {"CPU": 2.0}], {}, 2),
        ([{"CPU": 4.0}, {"CPU": 2.0}], {"cpus": 1}, 1),
        ([{"CPU": 32.0, "GPU": 4.0}, {"CPU": 2.0}], {"gpus": 1}, 8),
        ([{"CPU": 32.0, "GPU": 1.0}], {"gpus": 0.5}, 16),
        ([{"CPU": 2.0, "GPU": 8.0}], {"gpus": 1}, 1),
    ],
)
def test_a_task_takes_a_share_of_the_smallest_node_that_can_run_it(nodes, config, cpus):
    assert choose_cpus(nodes, ClusterConfig(**config)) == cpus


@pytest.mark.parametrize("config", [{"gpus": 1}, {"cpus": 64}])
def test_what_no_node_has_is_told(config):
    with pytest.raises(UserError, match=r"no node of the cluster has the .*Received: 1 nodes, 2 CPUs and 0 GPUs"):
        choose_cpus([NODES], ClusterConfig(**config))


@pytest.mark.parametrize("config", [{"cpus": 0}, {"gpus": -1}, {"gpus": 1.5}, {"retries": -1}])
def test_what_a_task_cannot_take_is_refused(config):
    with pytest.raises(UserError, match=f"cluster_config.{next(iter(config))} must be"):
        ClusterConfig(**config)


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of three nodes on this machine, which `auto` finds."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster as Nodes

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    store = {"object_store_memory": 100 << 20, "num_cpus": 1}
    nodes = Nodes()
    nodes.store = store
    try:
        started(nodes, include_dashboard=False)
        for _ in range(2):
            started(nodes)
        monkeypatch.setenv("RAY_ADDRESS", nodes.address)
        yield nodes
    finally:
        nodes.shutdown()


def started(nodes, **options):
    """Adds a node; parts of it must start within 15 s, which a machine with other work may exceed."""
    for tried in range(3):
        try:
            nodes.add_node(**nodes.store, **options)
            return
        except Exception as error:
            if tried == 2:
                pytest.skip(f"a node of Ray did not start on this machine: {error}")


class Disturbed:
    """A cluster of which a node is lost after the first result, and to which one is added."""

    def __init__(self, engine, nodes):
        self.engine, self.nodes, self.disturbed = engine, nodes, False

    def map(self, function, common, items):
        for result in self.engine.map(function, common, items):
            if not self.disturbed:
                self.nodes.remove_node(next(iter(self.nodes.worker_nodes)), allow_graceful=False)
                started(self.nodes)
                self.disturbed = True
            yield result


@pytest.mark.slow
def test_a_node_that_is_lost_and_one_that_is_added_change_no_byte(tmp_path, wardrobe, prepare_config, cluster):
    """Takes minutes on two busy cores: four nodes of several processes each start, and the tasks load the framework."""
    config = replace(prepare_config, shard_photos=3)
    records = tmp_path / "records"
    with connected("auto", ClusterConfig()) as engine:
        disturbed = Disturbed(engine, cluster)
        summary = make_catalog_records(wardrobe, records, config, cluster=disturbed)
    assert disturbed.disturbed
    assert summary.made == wardrobe.photo_count
    make_catalog_records(wardrobe, tmp_path / "one", config)
    assert contents(records) == contents(tmp_path / "one")


@pytest.mark.slow
def test_a_command_that_is_stopped_or_loses_the_head_goes_on(tmp_path, wardrobe, cluster):
    """Takes minutes on two busy cores, as the test above; from the shell."""
    options = ["--catalog", str(wardrobe.directory), "--backbone", "random", "--prepare_config.saliency", "border"]
    options += ["--prepare_config.shard_photos", "3", "--out"]

    def command(out, *more):
        line = [sys.executable, "-m", "kaleido", "prepare", *options, str(tmp_path / out), *more]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def disturbed(disturb):
        before = len(parts())
        process = command("records", "--cluster", "auto")
        while len(parts()) < before + 2 and process.poll() is None:
            time.sleep(0.1)
        disturb(process)
        since = time.monotonic()
        said, _ = process.communicate(timeout=300)
        assert time.monotonic() - since < 60
        return process.returncode, said.splitlines()[-1]

    def parts():
        return list(partial_directory(tmp_path / "records").glob("*/parts/*.npz"))

    assert disturbed(lambda process: process.terminate()) == (143, "kaleido prepare: interrupted")

    def lose_the_head(process):
        cluster.head_node.kill_gcs_server()
        for node in (cluster.head_node, *cluster.worker_nodes):  # which would end the few tasks before it is noticed
            subprocess.run(["pkill", "-STOP", "-P", str(node.all_processes["raylet"][0].process.pid)])

    code, line = disturbed(lose_the_head)
    assert code == 2
    assert line.startswith("kaleido prepare: the head of the cluster no longer answers at ")
    assert [command("records").wait(), command("alone").wait()] == [0, 0]
    assert contents(tmp_path / "records") == contents(tmp_path / "alone")
