"""Files of vectors as one array of rows, without reading them."""

import ctypes
import math
import mmap
import os
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (*[ctypes.c_void_p, ctypes.c_size_t], *[ctypes.c_int] * 3, ctypes.c_long)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_MAP_FIXED = 0x10
"""Value of MAP_FIXED on Linux, macOS and the BSDs alike; Python's `mmap` does not name it."""


def map_rows(paths: Sequence[Path], row_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps files one after the other, so that one `np.take` gathers rows of any of them.

    Python's `mmap` maps each file at an address of its own; a batch would then need a call for each file and array.

    Args:
        paths: Files; a file may be empty.
        row_bytes: Bytes of a row; each file begins with a row, and between the files are unused rows.

    Returns:
        uint8 [rows, row_bytes], read-only; row 0 is zeros. And int64 [files], the number of each file's first row.

    Raises:
        OSError: if a file cannot be mapped.
    """
    unit = math.lcm(row_bytes, mmap.PAGESIZE)
    sizes = [path.stat().st_size for path in paths]
    starts = unit * np.cumsum([1, *(-(-size // unit) for size in sizes)])
    total = int(starts[-1])
    # Zero pages for all of it, which take no memory; the files then replace them where they belong.
    base = _map(None, total, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1)
    rows = np.frombuffer((ctypes.c_uint8 * total).from_address(base), np.uint8)
    # Not when the process ends, while threads may still be reading.
    weakref.finalize(rows, _LIBC.munmap, base, total).atexit = False
    rows.flags.writeable = False
    for path, size, start in zip(paths, sizes, starts.tolist()):
        if size:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                _map(base + start, size, mmap.MAP_SHARED | _MAP_FIXED, descriptor)
            finally:
                os.close(descriptor)
    return rows.reshape(-1, row_bytes), starts[:-1] // row_bytes


def _map(address: int | None, size: int, flags: int, descriptor: int) -> int:
    found = _LIBC.mmap(address, size, mmap.PROT_READ, flags, descriptor, 0)
    if found == ctypes.c_void_p(-1).value:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return found
