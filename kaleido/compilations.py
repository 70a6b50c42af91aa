"""Programs that JAX compiled, kept on disk for later processes."""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from kaleido.user_cache import user_cache

LARGEST = 2 * 2**30
"""Bytes of the kept programs; the oldest are removed beyond it, when a process starts."""


def keep_compilations() -> None:
    """Makes JAX keep what it compiles in the user's cache, `xla/`, and use what is there.

    JAX's own environment variables come first: JAX_ENABLE_COMPILATION_CACHE=false keeps nothing, and
    JAX_COMPILATION_CACHE_DIR names another folder, which is not bounded. A folder that cannot be written is told in
    one line, and nothing is kept.
    """
    import jax

    if jax.config.jax_compilation_cache_dir or not jax.config.jax_enable_compilation_cache:
        return
    # Processors apart: programs for one may have instructions that another lacks, and a home may be shared.
    folder = user_cache("xla") / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        _bound(folder.parent)
    except OSError as error:
        sys.stderr.write(f"warning: compiled programs are not kept: {folder}: {error.strerror}\n")
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        # By default a second, but a start compiles many small programs.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)


def _bound(folder: Path) -> None:
    files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.glob("*/*") if path.is_file())
    excess = sum(size for _, size, _ in files) - LARGEST
    for _, size, path in files:
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


def _processor() -> str:
    """Returns a name of the processor's instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), os.uname().machine)
    return hashlib.sha256(flags.encode()).hexdigest()[:12]
