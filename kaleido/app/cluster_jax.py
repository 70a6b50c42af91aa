"""Several workers on JAX: joins their processes, and ends the others when one is lost.

As soon as its connection to the chief ends, JAX's own client aborts the process with pages of log, and a worker that is
gone is noticed after minutes at best. So JAX's connections run through the ones made here, one from every worker to the
chief. Threads pass the bytes on and see where one ends, while JAX's ends stay open.
"""

import atexit
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
from jax._src import distributed
from jax.experimental import multihost_utils

from kaleido.app.cluster import VARIABLE, Cluster, lost_worker
from kaleido.errors import UserError
from kaleido.interruption import Interrupted

_WAIT = 3600.0
"""Seconds to wait for workers that have not started."""

_GRACE = 5.0
"""Seconds that the main thread has after a loss to end by itself, perhaps for the reason that the other ended for."""

_SILENCE = 10
"""Seconds after which a host that no longer answers counts as lost."""

_GREETING = b"kaleido worker %8d"
"""Layout of the first message of a worker, its rank; a connection that sends anything else is turned away."""


class JaxCluster:
    """The connections between this process and the chief or, of the chief, all workers.

    To be made before JAX is used otherwise, and once in a process.

    Args:
        cluster: Rank, number of workers and the chief's address.

    Raises:
        UserError: if the address cannot be used, workers are missing after an hour, or JAX was used before.
    """

    def __init__(self, cluster: Cluster):
        if jax.__version_info__ < (0, 10):
            raise UserError(f"several workers ({VARIABLE}) need JAX 0.10 or later. Received: {jax.__version__}")
        self._cluster = cluster
        self._lost, self._left, self._met = threading.Event(), False, False
        print(f"worker {cluster.rank} of {cluster.workers} (from 0) waits for the others", file=sys.stderr, flush=True)
        # JAX's service and clients see only this host.
        service = ("127.0.0.1", _free_port())
        if cluster.is_chief:
            for worker in self._accept_workers().values():
                worker.sendall(b".")
                _start(partial(self._relay, worker, partial(_connect, service, _SILENCE)))
        else:
            chief, listener = self._connect_to_chief(), socket.create_server(service)
            _start(partial(self._relay, chief, lambda: listener.accept()[0]))
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        # It would take SIGTERM away from the engine.
        jax.config.update("jax_enable_preemption_service", False)
        address = "{}:{}".format(*service)
        try:
            jax.distributed.initialize(
                address,
                cluster.workers,
                cluster.rank,
                cluster_detection_method="deactivate",
                coordinator_bind_address=address,
            )
        except RuntimeError as error:
            raise UserError(f"JAX cannot join the workers of {VARIABLE}: {error}") from error
        # At the end of the process JAX would wait for the others, who may be waiting for this one.
        atexit.register(self._break_off)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Runs work that all workers end or are stopped in at the same place, and separates them.

        Raises:
            UserError: if another worker is lost. Where the main thread does not come to raise it, because it waits for
                the lost one, the process prints the message and ends with exit code 2.
        """
        stopped = None
        try:
            try:
                yield
            except Interrupted as interruption:
                stopped = interruption
            multihost_utils.sync_global_devices("end of the training")
        except (ValueError, RuntimeError) as error:
            # Among others what a collective operation raises when the connection to another worker ends.
            if self._lost.wait(2 * _GRACE):
                raise lost_worker(self._cluster) from error
            raise
        self._left = True
        jax.distributed.shutdown()
        if stopped:
            raise stopped

    def meet(self) -> None:
        """Waits until all workers have come here, once, which is to be before their first collective operation.

        In that, gloo gives up after 30 seconds without one of them.
        """
        if self._met:
            return
        self._met = True
        client: Any = distributed.global_state.client
        client.key_value_set(f"kaleido/met/{self._cluster.rank}", "there")
        while len(client.key_value_dir_get("kaleido/met/")) < self._cluster.workers:
            time.sleep(0.1)

    def _accept_workers(self) -> Mapping[bytes, socket.socket]:
        """Waits for a connection from every worker: connections by greeting."""
        end = time.monotonic() + _WAIT
        missing = {_GREETING % rank for rank in range(1, self._cluster.workers)}
        workers: dict[bytes, socket.socket] = {}
        with _listen(_port(self._cluster.chief)) as listener:
            while missing - workers.keys():
                listener.settimeout(max(end - time.monotonic(), 0.1))
                try:
                    worker, _ = listener.accept()
                except TimeoutError:
                    absent = sorted(int(greeting.split()[-1]) for greeting in missing - workers.keys())
                    raise UserError(f"{VARIABLE}: workers {absent} have not started within an hour") from None
                _end_after_silence(worker)
                try:
                    greeting = worker.recv(len(_GREETING % 0))
                except OSError:
                    continue
                worker.settimeout(None)
                if greeting in missing:
                    workers[greeting] = worker
        return workers

    def _connect_to_chief(self) -> socket.socket:
        """Connects to the chief and waits until it has all workers."""
        host, port = self._cluster.chief.rpartition(":")[0].strip("[]"), _port(self._cluster.chief)
        chief = _connect((host, port), _WAIT)
        try:
            chief.sendall(_GREETING % self._cluster.rank)
            if chief.recv(1):
                return chief
        except OSError:
            pass
        raise lost_worker(self._cluster)

    def _relay(self, other: socket.socket, reach: Callable[[], socket.socket]) -> None:
        """Passes bytes between another worker and JAX in this process until the other's end closes."""
        own = reach()
        _start(partial(_pass_on, own, other))
        _pass_on(other, own)
        if self._left:
            return
        self._lost.set()
        time.sleep(_GRACE)
        print(f"kaleido: {lost_worker(self._cluster)}", file=sys.stderr)
        self._break_off()

    def _break_off(self) -> None:
        """Ends the process at once unless the workers have separated; the others see that and end as well."""
        if not self._left:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(2)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while received := source.recv(1 << 16):
            sink.sendall(received)
    except OSError:
        pass  # The other direction ends as well.


def _port(address: str) -> int:
    try:
        return int(address.rpartition(":")[2])
    except ValueError:
        raise UserError(f"{VARIABLE}: a worker is HOST:PORT. Received: {address}") from None


def _listen(port: int) -> socket.socket:
    """Listens on all addresses of this host."""
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise UserError(f"{VARIABLE}: the chief cannot use its port {port}: {error.strerror}") from None


def _connect(address: tuple[str, int], wait: float) -> socket.socket:
    """Connects to a server that may not have started yet."""
    end = time.monotonic() + wait
    while True:
        try:
            connection = socket.create_connection(address, timeout=_SILENCE)
        except OSError as error:
            if time.monotonic() > end:
                raise UserError(f"{VARIABLE}: no chief at {address[0]}:{address[1]} ({error})") from None
            time.sleep(0.1)
            continue
        _end_after_silence(connection)
        connection.settimeout(None)
        return connection


def _end_after_silence(connection: socket.socket) -> None:
    """Makes a connection end when the other host no longer answers, whether bytes are on their way or not."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"KEEPIDLE": _SILENCE // 2, "KEEPINTVL": 1, "KEEPCNT": _SILENCE // 2, "USER_TIMEOUT": 1000 * _SILENCE}
    for name, value in options.items():
        if hasattr(socket, f"TCP_{name}"):  # Not every system has all of them.
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}"), value)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
