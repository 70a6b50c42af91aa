"""Runs the same function for many items on a cluster, by the engine Ray."""

import logging
import os
import re
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from kaleido import __version__, plugins
from kaleido.backend import keras
from kaleido.errors import UserError
from kaleido.extras import missing_extras_named
from kaleido.progress import tqdm
from kaleido.ranges import check_range
from kaleido.terminal import output_to

PATIENCE = 20.0
"""Seconds to wait for the port of a cluster."""

_LOOK = 10.0
"""Seconds between two looks at the nodes."""

_LOST = 15.0
"""Seconds without an answer of the head after which the cluster counts as lost."""

_NOBODY = 600.0
"""Seconds without a node that can run a task, after which it is given up."""

WINDOW = 1000
"""Tasks that the engine knows at a time; it need not hold those of a whole catalogue."""

_SLOW = {
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "600",
    # Ray would end this process where it stands; `_look` is earlier.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}
"""Limits within which the processes of Ray must have started or answered, for machines with other work; Ray's are a
minute."""

_STARTS = 3
"""Tries to start Ray on this machine: it gives parts of a node 15 and 30 seconds, which no setting changes."""

_OBJECT_STORE = 100 << 20
"""Bytes of shared memory on a cluster of this machine alone: tasks write files, and pass numbers only."""


@dataclass(frozen=True)
class ClusterConfig:
    """Names the processors and graphics cards that a task takes on a cluster.

    Attributes:
        cpus: Processors of a node that one task takes; null for all that the smallest node has, divided among its GPUs
            where tasks take GPUs.
        gpus: GPUs that one task takes; a share such as 0.5 for two tasks a GPU. Tasks that take none compute on
            processors.
        retries: Times that a task is given to another process or node after the one that ran it was lost.
    """

    cpus: int | None = None
    gpus: float = 0.0
    retries: int = 3

    def __post_init__(self):
        if self.cpus is not None:
            check_range(self, "[1, 100000]", "cpus", section="cluster_config")
        check_range(self, "[0, 64]", "gpus", section="cluster_config")
        check_range(self, "[0, 1000]", "retries", section="cluster_config")
        if self.gpus > 1 and self.gpus % 1:
            raise UserError(f"cluster_config.gpus must be at most 1 or a whole number. Received: {self.gpus}")


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Options of the commands whose work can be divided among the nodes of a cluster.

    Args:
        cluster: Cluster that does the work, by the engine Ray: `local`, this machine; `auto`, the cluster that it
            belongs to; or ray://HOST:PORT. All nodes must see the files that are named under the same paths.
        cluster_config: What a task takes on the cluster.
    """

    cluster: str | None = None
    cluster_config: ClusterConfig = field(default_factory=ClusterConfig)

    def __post_init__(self):
        if self.cluster is not None:
            check_address(self.cluster)

    def refuse_with_cluster(self, *names: str) -> None:
        """Refuses options that share the work in another way.

        Raises:
            UserError: if one of them is given beside a cluster.
        """
        for name in names if self.cluster is not None else ():
            if given := getattr(self, name):
                raise UserError(f"--{name} does not go with --cluster, whose nodes share the work. Received: {given}")


class Cluster:
    """A connection to a cluster, made by `connected`."""

    def __init__(
        self, ray: Any, nodes: list[dict[str, float]], config: ClusterConfig, head: tuple[str, int] | None = None
    ):
        self._ray = ray
        self._head = head
        self.lost = False
        self._config = config
        self._nodes = len(nodes)
        self._looked = self._heard = self._seen = time.monotonic()
        self.cpus = choose_cpus(nodes, config)
        self._options = {
            "num_cpus": self.cpus,
            "num_gpus": config.gpus,
            "max_retries": config.retries,
            # A process that took GPUs goes on to the next task, as others do: it has loaded the networks.
            "max_calls": 0,
            "scheduling_strategy": "SPREAD",
        }

    def map(self, function: Callable[[Any, Any], Any], common: Any, items: Iterable[Any]) -> Iterator[Any]:
        """Calls `function(common, item)` for every item on the nodes; yields the results as they come.

        A call may be made twice where a node was lost, so the function must allow it. A UserError is not retried, and
        ends the others.

        Args:
            function: Function of a module of this package.
            common: First argument of every call; sent to each node once, where the calls in one process share it, so
                that it may keep what it has loaded.
            items: Second arguments. The caller may add to a deque while it takes results.

        Raises:
            UserError: if a call raises it, tasks cannot run, or the cluster is lost.
        """
        ray, queue = self._ray, items if isinstance(items, deque) else deque(items)
        remote = ray.remote(**self._options)(_run)
        setting = (__version__, keras.backend.backend(), os.getcwd(), tuple(plugins.imported))
        try:
            # In a list a reference is passed on as it is: each process gets the object once, and not each call.
            shared = [ray.put(ray.cloudpickle.dumps(common))]
            pending: list[Any] = []
            while queue or pending:
                while queue and len(pending) < WINDOW:
                    pending.append(remote.remote(function, setting, shared, queue.popleft()))
                done, pending = ray.wait(pending, timeout=_LOOK)
                self._look(bool(done))
                for result, error in ray.get(done):
                    if error:
                        raise UserError(error)
                    yield result
        except ray.exceptions.RayTaskError as error:
            if "ModuleNotFoundError" not in str(error):
                raise
            missing = str(error).strip().splitlines()[-1]
            raise UserError(
                f"a node of the cluster lacks a package; install the same on every node: {missing}"
            ) from None
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise UserError(
                f"the cluster did not end a task ({_brief(error)}); what is finished is kept, and the same "
                "command goes on"
            ) from None

    def _look(self, busy: bool) -> None:
        """Tells when nodes have come or gone.

        Raises:
            UserError: if the head does not answer, or for some time no node could run a task.
        """
        now = time.monotonic()
        if busy:
            self._seen = now
        if now < self._looked + _LOOK:
            return
        self._looked = now
        if self._head and _refusal(self._head, 5):
            if now > self._heard + _LOST:
                self.lost = True
                raise UserError(
                    f"the head of the cluster no longer answers at {self._head[0]}:{self._head[1]}; what is finished "
                    "is kept, and the same command goes on with another cluster"
                )
            return
        self._heard = now
        nodes = _alive_nodes(self._ray)
        if len(nodes) != self._nodes:
            lost = "; tasks of a lost node are given to others" if len(nodes) < self._nodes else ""
            tqdm.write(f"cluster: {len(nodes)} nodes, {self._nodes} before{lost}")
            self._nodes = len(nodes)
        if _able(nodes, self.cpus, self._config.gpus):
            self._seen = now
        elif now > self._seen + _NOBODY:
            choose_cpus(nodes, replace(self._config, cpus=self.cpus))


_common: tuple[str, Any] = "", None
"""Name of the reference and the object that the calls of the last job in this process share."""


def _run(
    function: Callable[[Any, Any], Any], setting: tuple[str, str, str, tuple[str, ...]], shared: list[Any], item: Any
) -> Any:
    """Runs on a node; returns a result and None, or None and the message of a UserError."""
    global _common
    wanted, backend, directory, modules = setting
    node = f"(node {socket.gethostname()})"
    if __version__ != wanted:
        return None, f"every node must have the same version of kaleido, {wanted}. Received: {__version__} {node}"
    os.environ["KERAS_BACKEND"] = backend
    # Relative paths mean what they mean to the caller; nodes without its folder can have absolute ones.
    with suppress(OSError):
        os.chdir(directory)
    try:
        plugins.import_modules(name for name in modules if name not in plugins.imported)
        name = shared[0].hex()
        if _common[0] != name:
            import ray

            _common = "", None  # Networks of another job leave the memory first.
            # Ray would hide a UserError of what opens a folder on its arrival.
            _common = name, ray.cloudpickle.loads(ray.get(shared[0]))
        return function(_common[1], item), None
    except UserError as error:
        return None, f"{error} {node}"


@contextmanager
def connected(address: str | None, config: ClusterConfig) -> Iterator[Cluster | None]:
    """Connects to a cluster while the `with` block runs; what still runs there at its end is stopped.

    Args:
        address: `local` for this machine alone, `auto` for a cluster that this machine belongs to, or
            `ray://HOST:PORT`; None for no cluster, which gives None.
        config: What a task takes.

    Raises:
        UserError: if there is no Ray, nothing answers at the address, or no node has what a task takes.
    """
    if address is None:
        yield None
        return
    host = check_address(address)
    named = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    if asked := host or _host_and_port(named):
        _check_answer(asked, named)
    for name, value in {"RAY_USAGE_STATS_ENABLED": "0", **_SLOW}.items():
        os.environ.setdefault(name, value)
    with missing_extras_named():
        import ray
    cluster = None
    try:
        _connect(ray, address)
        nodes = _alive_nodes(ray)
        # A client of Ray notices by itself that its server is gone.
        head = None if host else _host_and_port(ray.get_runtime_context().gcs_address)
        cluster = Cluster(ray, nodes, config, head)
        tqdm.write(
            f"cluster: {len(nodes)} nodes, {sum(node.get('CPU', 0) for node in nodes):g} CPUs, "
            f"{sum(node.get('GPU', 0) for node in nodes):g} GPUs; a task takes {cluster.cpus} CPUs and "
            f"{config.gpus:g} GPUs"
        )
        yield cluster
    finally:
        if cluster and cluster.lost:
            # It may wait for the head.
            closing = threading.Thread(target=ray.shutdown, daemon=True)
            closing.start()
            closing.join(5)
        else:
            ray.shutdown()


def check_address(address: str) -> tuple[str, int] | None:
    """Checks the form of a cluster's address; returns host and port if it has them.

    Raises:
        UserError: if it has another form.
    """
    if address in ("local", "auto"):
        return None
    if not re.fullmatch(r"ray://([^:/\s]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})", address):
        raise UserError(f"cluster must be local, auto or ray://HOST:PORT (port 10001 by default). Received: {address}")
    return _host_and_port(address.removeprefix("ray://"))


def _host_and_port(text: str) -> tuple[str, int] | None:
    found = re.fullmatch(r"([^/\s]+):([0-9]{1,5})", text)
    return (found[1].strip("[]"), int(found[2])) if found else None


def _refusal(address: tuple[str, int], seconds: float) -> Exception | None:
    """Connects to an address; returns the error if nobody answers."""
    try:
        socket.create_connection(address, seconds).close()
    except (OSError, OverflowError) as error:
        return error
    return None


def _check_answer(host: tuple[str, int], address: str) -> None:
    if error := _refusal(host, PATIENCE):
        raise UserError(f"no cluster answers at {address}: {error}; is `ray start --head` running there?")


def _connect(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    logging.getLogger("ray.util.client").setLevel(logging.ERROR)
    handler = signal.getsignal(signal.SIGTERM)
    left = _STARTS if address == "local" else 1
    try:
        while left:
            left -= 1
            try:
                # What Ray prints besides would hide the one line of an error.
                with open(os.devnull, "w") as nowhere, output_to(nowhere.fileno()):
                    ray.init(address, **options)
                # A node that is lost would print its whole log here.
                ray._private.worker._worker_logs_enabled = False
                return
            except Exception as error:  # Ray raises its base class as well.
                if not left:
                    raise UserError(f"cluster {address}: {_brief(error)}{_advice(error)}") from None
            ray.shutdown()
    finally:
        # Ray's own would end the process in the middle of what it does.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _advice(error: Exception) -> str:
    """Says what to do where a cluster may have refused the caller, or another server than Ray's has answered."""
    told = f"{error} {error.__cause__}"
    if "client connection timeout" not in told and "Authentication" not in told and "AuthToken" not in told:
        return ""
    return (
        "; is this the port of Ray's client server (10001 by default), and has this command the token of the cluster, "
        "in RAY_AUTH_TOKEN or ~/.ray/auth_token with RAY_AUTH_MODE=token (Ray 2.59 and later may ask for one)?"
    )


def _alive_nodes(ray: Any) -> list[dict[str, float]]:
    """Lists the resources of the nodes that are there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _able(nodes: list[dict[str, float]], cpus: int, gpus: float) -> list[dict[str, float]]:
    return [node for node in nodes if node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus]


def choose_cpus(nodes: list[dict[str, float]], config: ClusterConfig) -> int:
    """Chooses the processors that a task takes, from the resources of the nodes.

    Raises:
        UserError: if no node has what a task takes.
    """
    able = _able(nodes, config.cpus or 1, config.gpus)
    if not able:
        there = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes[:5])
        raise UserError(
            f"no node of the cluster has the {config.cpus or 1} CPUs and {config.gpus:g} GPUs that a task takes "
            f"(cluster_config.cpus and gpus). Received: {len(nodes)} nodes, {there}"
        )
    if config.cpus:
        return config.cpus
    return max(1, min(int(node["CPU"] / (node["GPU"] // config.gpus if config.gpus else 1)) for node in able))


def _brief(error: BaseException) -> str:
    """Shortens a message with a traceback of another process to its first and last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(dict.fromkeys((lines[0], lines[-1]))).rstrip(".")
