"""`kaleido parity`: compares our model with values that the original release computed."""

from pathlib import Path

from kaleido.backend import import_backend
from kaleido.commands.arguments import ArgumentParser


def main(argv: list[str]) -> int:
    """Runs the subcommand; returns 0 if everything agrees, 1 if not."""
    parser = ArgumentParser(prog="kaleido parity", description=__doc__.partition(": ")[2])
    parser.add_argument("directory", metavar="REFERENCE_DIR", type=Path, help="checkpoint, batch and expected values")
    parser.add_argument("--dump", metavar="OUT.npz", type=Path, help="write all results of batch.tsv there")
    parser.add_argument("--without", metavar="QUIRK", help="leave out one quirk, to see its effect")
    args = parser.parse_args(argv)
    import_backend()
    from kaleido.original.parity import run_parity

    result = run_parity(args.directory, args.without)
    if args.dump:
        result.save_results(args.dump)
    print(result.table)
    return 0 if result.agrees else 1
