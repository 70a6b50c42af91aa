"""Hosts on this machine, as network namespaces of Linux whose packets pass through a thread here."""

import fcntl
import heapq
import ipaddress
import os
import random
import selectors
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest

_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x1001


class Hosts:
    """A network of hosts that a `with` block has; skips the test where the system does not permit it.

    Every host is a network namespace with an address and one interface (tun), and a thread of this process carries the
    packets between them. So delay and loss need no queue of the kernel (`tc netem`, which not every kernel has), and a
    cut link is silent as a pulled plug of a switch between is: no interface goes down, and nobody gets an answer.

    Args:
        count: Number of hosts.
        delay: Seconds that every packet takes.
        loss: Share of the packets that is lost, drawn from `seed`.
    """

    def __init__(self, count: int, delay: float = 0.0, loss: float = 0.0, seed: int = 0):
        self.names = [f"kaleido-{os.getpid()}-{index}" for index in range(count)]
        self.addresses = [f"10.77.0.{index + 1}" for index in range(count)]
        self.cut = False
        self.carried = self.dropped = 0
        self._delay, self._loss, self._random = delay, loss, random.Random(seed)
        self._ends: dict[bytes, int] = {}
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._ended = threading.Event()
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> "Hosts":
        try:
            for index, (name, address) in enumerate(zip(self.names, self.addresses)):
                interface = f"kt{os.getpid() % 100_000}-{index}"
                file = os.path.join(self._folder.name, name)
                with open(file, "w") as stream:
                    stream.write(f"127.0.0.1 localhost\n{address} {socket.gethostname()}\n")
                _ip("netns", "add", name)
                end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                self._ends[ipaddress.ip_address(address).packed] = end
                fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", interface.encode(), _TUN_WITHOUT_HEADER))
                _ip("link", "set", interface, "netns", name)
                _ip("-n", name, "addr", "add", f"{address}/24", "dev", interface)
                _ip("-n", name, "link", "set", interface, "up")
                _ip("-n", name, "link", "set", "lo", "up")
        except (OSError, subprocess.CalledProcessError) as error:
            self._remove()
            pytest.skip(f"network namespaces are not permitted here: {getattr(error, 'stderr', None) or error}")
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._thread.join()
        self._remove()

    def command(self, index: int, command: Sequence[str]) -> list[str]:
        """Makes a command that runs another on a host, as the same process."""
        # The host's own name is to mean its address, as on any host that others reach by its name.
        script = 'mount --bind "$0" /etc/hosts && exec "$@"'
        file = os.path.join(self._folder.name, self.names[index])
        return ["ip", "netns", "exec", self.names[index], "sh", "-c", script, file, *command]

    def _remove(self) -> None:
        for end in self._ends.values():
            os.close(end)
        for name in self.names:
            with suppress(OSError):
                subprocess.run(["ip", "netns", "del", name], capture_output=True)
        self._folder.cleanup()

    def _carry(self) -> None:
        waiting: list[tuple[float, int, int, bytes]] = []
        with selectors.DefaultSelector() as selector:
            for end in self._ends.values():
                selector.register(end, selectors.EVENT_READ)
            while not self._ended.is_set():
                until = waiting[0][0] - time.monotonic() if waiting else 0.1
                for key, _ in selector.select(min(max(until, 0.0), 0.1)):
                    packet = os.read(key.fd, 1 << 16)
                    end = self._ends.get(packet[16:20]) if packet[0] >> 4 == 4 else None
                    if end is None or self.cut or self._random.random() < self._loss:
                        self.dropped += end is not None
                        continue
                    self.carried += 1
                    heapq.heappush(waiting, (time.monotonic() + self._delay, self.carried, end, packet))
                while waiting and waiting[0][0] <= time.monotonic():
                    _, _, end, packet = heapq.heappop(waiting)
                    if not self.cut:
                        os.write(end, packet)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
