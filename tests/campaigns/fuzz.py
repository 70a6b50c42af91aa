"""Feeds damaged inputs to everything that reads files, and looks for what must not happen.

An input may be accepted or refused with a `UserError` of one line. Anything else is a failure: another exception, a
crash of the process, more than ten seconds, more than two gigabytes, a row of a table that is neither a product nor a
reject. Every input is a function of (seed, target, number), so any can be had again.

    python tests/campaigns/fuzz.py --inputs 1000 --seed 0
"""

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))

from fuzz_targets import TARGETS

from kaleido.errors import UserError

FAILURES = Path(tempfile.gettempdir(), "kaleido-fuzz")

TIME_LIMIT = 10.0
"""Seconds an input."""

STARTUP_LIMIT = 120.0
"""Seconds until a worker has imported what it needs and made its first input."""

MEMORY_LIMIT = 2 * 2**30
"""Bytes that an input may take beyond what the process has before."""

PRELOADED = ["PIL.Image", "h5py", "jsonargparse", "kaleido.catalog.importing", "kaleido.records.folder"]
"""Modules that every worker finds loaded."""


@dataclass
class Outcome:
    """What became of a target's inputs.

    Attributes:
        counts: By `accepted`, `refused` and `failed`.
        failures: Number and description of each failed input.
    """

    counts: Counter = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)


def make_input(name: str, seed: int, number: int) -> bytes:
    """The damaged input of a number."""
    return TARGETS[name]().make(random.Random(f"{seed} {name} {number}"))


def attempt(target, data: bytes, folder: Path) -> tuple[str, str]:
    """Reads an input; returns `accepted`, `refused` or `failed`, and why."""
    try:
        target.read(data, folder)
    except UserError as error:
        return (
            ("failed", f"more than one line: {error}") if len(str(error).splitlines()) > 1 else ("refused", str(error))
        )
    except (Exception, SystemExit):
        return "failed", traceback.format_exc()
    return "accepted", ""


def campaign(name: str, seed: int, inputs: int) -> Outcome:
    """Feeds a target, each input in a process that may die or hang."""
    outcome, number = Outcome(), 0
    # Ours, so that a worker that dies leaves nothing behind.
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as folder,
        tqdm(total=inputs, desc=name, unit="input", leave=False) as progress,
    ):
        while number < inputs:
            ours, theirs = multiprocessing.Pipe(duplex=False)
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(PRELOADED)
            worker = context.Process(
                target=_work, args=(theirs, Path(folder) / "input", name, seed, number, inputs), daemon=True
            )
            worker.start()
            theirs.close()
            limit = STARTUP_LIMIT
            while number < inputs:
                try:
                    if ours.poll(limit):
                        result, reason = ours.recv()
                    else:
                        result, reason = "failed", f"not done after {limit:.0f} seconds"
                except EOFError:
                    worker.join()
                    result, reason = "failed", f"the process died with exit code {worker.exitcode}"
                if result != "ready":
                    outcome.counts[result] += 1
                    if result == "failed":
                        outcome.failures.append((number, reason))
                    number += 1
                    progress.update()
                if reason.startswith(("not done", "the process died")):
                    break
                limit = TIME_LIMIT
            worker.kill()
            worker.join()
    return outcome


def _work(connection: Connection, folder: Path, name: str, seed: int, first: int, stop: int) -> None:
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)  # what libraries say of damaged files
    target = TARGETS[name]()
    for number in range(first, stop):
        data = target.make(random.Random(f"{seed} {name} {number}"))
        if number == first:
            # What is imported on demand is no input's fault.
            attempt(target, data, _emptied(folder))
            _limit_memory()
            connection.send(("ready", ""))
        connection.send(attempt(target, data, _emptied(folder)))


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1000, help="a target (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of every damage (%(default)s)")
    parser.add_argument("--targets", nargs="+", choices=[*TARGETS], default=[*TARGETS], help="all by default")
    parser.add_argument("--failures", type=Path, default=FAILURES, help="where failed inputs go (%(default)s)")
    args = parser.parse_args()
    failed = 0
    print(f"{'target':<20}{'inputs':>8}{'accepted':>10}{'refused':>9}{'failed':>8}{'seconds':>9}")
    for name in args.targets:
        started = time.monotonic()
        outcome = campaign(name, args.seed, args.inputs)
        counts = [outcome.counts[result] for result in ("accepted", "refused", "failed")]
        print(
            f"{name:<20}{sum(counts):>8}{counts[0]:>10}{counts[1]:>9}{counts[2]:>8}{time.monotonic() - started:>9.0f}",
            flush=True,
        )
        for number, reason in outcome.failures:
            path = args.failures / f"{name}-{args.seed}-{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".input").write_bytes(make_input(name, args.seed, number))
            path.with_suffix(".txt").write_text(reason, encoding="utf-8", errors="backslashreplace")
        failed += counts[2]
    print(f"{failed} failures" + (f"; inputs and reasons are in {args.failures}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
