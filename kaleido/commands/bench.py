"""`kaleido bench`: measures how fast each step is on this machine, and compares it with the machine's limits."""

from kaleido import configuration
from kaleido.bench.results import compare_files
from kaleido.bench.run import BenchConfig, run_benchmarks


def main(argv: list[str]) -> int:
    """Runs the subcommand; returns the exit code."""
    config = configuration.parse(BenchConfig, argv, "kaleido bench", __doc__.partition(": ")[2])
    if config.compare:
        table, fell = compare_files(*config.compare, config.tolerance)
        print(table)
        return int(fell)
    run_benchmarks(config)
    return 0
