"""Rank of this process among several workers."""

import json
import os
from dataclasses import dataclass

from kaleido.errors import UserError

VARIABLE = "TF_CONFIG"
EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """The processes that train one model together, each with the devices of its host.

    Attributes:
        rank: Rank of this process; 0 is the chief, the only one that writes files.
        workers: Number of processes.
        chief: Address of the chief, HOST:PORT; empty if there is one process.
    """

    rank: int = 0
    workers: int = 1
    chief: str = ""

    @property
    def is_chief(self) -> bool:
        return self.rank == 0


def read_cluster() -> Cluster:
    """Reads the environment variable TF_CONFIG, in TensorFlow's format; one worker if it is not set.

    Raises:
        UserError: if it is set and invalid.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return Cluster()
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], content["task"]
        # TensorFlow's order of ranks: a chief, if one is named, and then the workers.
        addresses = {
            (kind, index): str(address)
            for kind in ("chief", "worker")
            for index, address in enumerate(cluster.get(kind, []))
        }
        tasks = list(addresses)
        rank = tasks.index((task["type"], int(task["index"])))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{VARIABLE} must name this process among the workers, as in {EXAMPLE}. Received: {text}"
        ) from None
    return Cluster(rank, len(tasks), addresses[tasks[0]])


def lost_worker(cluster: Cluster) -> UserError:
    """Makes the error of a worker that has lost another."""
    return UserError(
        f"worker {cluster.rank} of {cluster.workers} (from 0) lost another worker; start all of them again with the "
        "same commands, and they go on from the last checkpoint"
    )
