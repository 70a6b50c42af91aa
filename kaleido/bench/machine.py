"""Measures the machine's limits, so that a rate can be given as a share of them."""

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np

from kaleido.backend import accelerators, keras, ops
from kaleido.processors import cores

PACKAGES = ("numpy", "pillow", "google-crc32c", "tensorflow-datasets", "keras", "tensorflow", "jax", "jaxlib")


def floor(work: Mapping[str, float]) -> dict[str, float | str]:
    """Compares a rate with the machine's limits.

    Args:
        work: `examples_per_second`, `bytes_per_example` and `memory_bytes_per_second`, and where there is arithmetic
            worth counting `flop_per_example` and `matrix_flop_per_second`.

    Returns:
        `memory_seconds` and `matrix_seconds`, the least time an example's bytes and operations take; `bound_by`, which
        of the two is the larger and thus the floor, as transfers and arithmetic may overlap; `share_of_floor`. Where
        there is another rate `NAME_examples_per_second` with its `NAME_flop_per_example`, also
        `NAME_share_of_matrix_rate`.
    """
    least = {"memory_seconds": work["bytes_per_example"] / work["memory_bytes_per_second"]}
    if "flop_per_example" in work:
        least["matrix_seconds"] = work["flop_per_example"] / work["matrix_flop_per_second"]
    bound_by = max(least, key=least.get)
    share = work["examples_per_second"] * least[bound_by]
    shares = {"share_of_floor": share}
    for key in work:
        name = key.removesuffix("examples_per_second")
        if name and f"{name}flop_per_example" in work:
            flop = work[key] * work[f"{name}flop_per_example"]
            shares[f"{name}share_of_matrix_rate"] = flop / work["matrix_flop_per_second"]
    return {**least, "bound_by": bound_by.removesuffix("_seconds"), **shares}


def environment() -> dict[str, str | int]:
    """Describes what measurements depend on: processor, cores, bytes of memory, versions."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        **versions,
    }


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def device() -> str:
    """Names the device that the backend computes on; `cpu` where it is the processor."""
    if not accelerators():
        return "cpu"
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    found = tf.config.list_physical_devices()
    details = [tf.config.experimental.get_device_details(one) for one in found if one.device_type != "CPU"]
    return details[0].get("device_name", "unknown")


def peak_resident_bytes() -> int:
    """Returns the peak memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def peak_device_bytes() -> int | None:
    """Returns the peak memory of the first accelerator; None if there is none, or it does not report it."""
    if not accelerators():
        return None
    if keras.backend.backend() == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def matrix_rate(dtype: str, seconds: float = 2.0) -> float:
    """Measures floating-point operations a second: the best of many products of large square matrices on one device.

    Args:
        dtype: `float32` or `bfloat16`; where the backend computes float32 as TF32, that counts as float32.
        seconds: Time to spend.
    """
    size = 8192 if accelerators() else 2048
    matrix = ops.cast(ops.convert_to_tensor(np.random.default_rng(0).random((size, size), np.float32)), dtype)
    # One element is fetched, so that the product is waited for.
    best = _best_time(lambda: ops.convert_to_numpy(ops.cast(ops.matmul(matrix, matrix)[0, 0], "float32")), seconds)
    return 2 * size**3 / best


def memory_bandwidth(threads: int, seconds: float = 2.0) -> float:
    """Measures bytes a second that the processor reads and writes, added up: the best of many large copies.

    Args:
        threads: Threads that copy, each its own 128 MB.
        seconds: Time to spend.
    """
    pairs = [(np.ones(1 << 27, np.uint8), np.zeros(1 << 27, np.uint8)) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        best = _best_time(lambda: list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), pairs)), seconds)
    return 2 * sum(source.nbytes for source, _ in pairs) / best


def device_bandwidth(threads: int, seconds: float = 2.0) -> float:
    """Measures the bandwidth of the memory that the backend computes in, that of one accelerator if there is one."""
    if not accelerators():
        return memory_bandwidth(threads, seconds)
    values = ops.zeros((1 << 28,), "float32")
    # Two copies of which only one is waited for: the difference is free of what starting and fetching cost.
    once = _best_time(lambda: ops.convert_to_numpy((values + 1.0)[0]), seconds / 2)
    twice = _best_time(lambda: ops.convert_to_numpy(((values + 1.0) + 1.0)[0]), seconds / 2)
    return 2 * 4 * (1 << 28) / (twice - once)


def calls_per_second(call: Callable[[], object], seconds: float) -> float:
    """Measures how often a function can be called a second; it is called at least once."""
    begun, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - begun < seconds:
        call()
        done += 1
    return done / (time.perf_counter() - begun)


def _best_time(work: Callable[[], object], seconds: float) -> float:
    work()
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best
