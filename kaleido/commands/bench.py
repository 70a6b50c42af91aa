"""`kaleido bench`: the speed of each step on this machine, beside its floor."""

from pathlib import Path

from kaleido.bench.config import BenchConfig
from kaleido.commands.command import Command


def bench(config: BenchConfig) -> int:
    """Measures how fast each step is on this machine, beside what its memory and processors allow."""
    from kaleido.bench import machine, results
    from kaleido.bench.measurements import measure

    if config.compare:
        before, after = (results.load(Path(path)) for path in config.compare)
        print(results.comparison(before, after))
        return int(config.tolerance is not None and results.worst_loss(before, after) > config.tolerance)
    measured, failed = {}, False
    for name, found in measure(config):
        if isinstance(found, dict):
            measured[name] = found
            print(results.listing(name, found), flush=True)
        else:
            failed |= isinstance(found, Exception)
            print(f"{name}: {results.remark(found)}", flush=True)
    if config.out:
        results.save(Path(config.out), machine.environment(), measured)
    return int(failed)


COMMAND = Command(bench, BenchConfig, backend=False)
