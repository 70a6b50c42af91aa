"""Errors that tell of a lack of memory, threads, open files or room on a disk."""

import errno
import os
import resource
from collections.abc import Iterator

from kaleido.errors import UserError

_MEMORY = "too little memory; free some, raise the limit (ulimit -v, or the container's), or give less at once"
_THREADS = "no further thread could be started; raise the limits of processes and memory (ulimit -u, ulimit -v)"
_FILES = "too many open files; raise the limit (ulimit -n)"
_DEVICE = "too little memory on the device; lower the batch size"

_ERRNO = {errno.ENOMEM: _MEMORY, errno.EMFILE: _FILES, errno.ENFILE: _FILES}

_TEXTS = {
    "can't start new thread": _THREADS,
    "cannot allocate memory": _MEMORY,
    "failed to map segment": _MEMORY,
    "bad_alloc": _MEMORY,
    # What the interpreter itself says when memory for an exception was lacking.
    "error return without exception set": _MEMORY,
    "resource_exhausted": _DEVICE,
    "resource exhausted": _DEVICE,
}


def check_addresses(base: int, core: int, what: str) -> None:
    """Checks the limit of addresses (`ulimit -v`), for want of which native libraries hang, crash or exit.

    Args:
        base: Bytes of addresses that are needed.
        core: Bytes that are needed for each core besides.
        what: What needs them, for the message.

    Raises:
        UserError: if the process may use less.
    """
    cores = os.cpu_count() or 1
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = base + cores * core
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise UserError(
            f"this process may use {limit / 1e9:.1f} GB of addresses, and {what} needs {needed / 1e9:.1f} GB on "
            f"{cores} cores; raise the limit by `ulimit -v {-(-needed // 1024)}`, or more for a large model"
        )


def shortage(error: BaseException | None) -> str | None:
    """Says in one line what the machine lacks, if that has caused an error; None for any other error."""
    for one in _causes(error):
        if isinstance(one, MemoryError):
            return _MEMORY
        if isinstance(one, OSError) and one.errno in _ERRNO:
            return _ERRNO[one.errno]
        if type(one).__name__ == "ResourceExhaustedError":
            return _DEVICE
        if isinstance(one, RuntimeError | SystemError | ImportError | OSError):
            text = str(one).lower()
            if reason := next((reason for known, reason in _TEXTS.items() if known in text), None):
                return reason
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
