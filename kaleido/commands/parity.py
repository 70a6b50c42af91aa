"""`python -m kaleido parity`: our model against values that the original release computed."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np

from kaleido.atomic import write_atomically
from kaleido.backend import import_backend
from kaleido.commands.arguments import ArgumentParser
from kaleido.errors import UserError

BATCHES = ("batch.tsv", "batch.npz")


def main(argv: list[str]) -> int:
    """Runs the verb; returns 0 if everything agrees, 1 if not."""
    parser = ArgumentParser(prog="python -m kaleido parity", description=__doc__.partition(": ")[2])
    parser.add_argument("directory", metavar="REFERENCE_DIR", type=Path, help="checkpoint, batch and expected values")
    parser.add_argument("--dump", metavar="OUT.npz", type=Path, help="write all results of batch.tsv there")
    parser.add_argument("--without", metavar="QUIRK", default="", help="leave out one quirk, to see its effect")
    args = parser.parse_args(argv)
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise UserError("parity reads a TensorFlow checkpoint; leave KERAS_BACKEND unset")
    import_backend()
    from kaleido.original.parity import Reference, compare, compute

    reference = Reference(args.directory)
    compatibility = reference.compatibility(args.without)
    agrees = True
    for name in BATCHES:
        results = compute(reference, reference.columns(name), compatibility)
        if args.dump and name == BATCHES[0]:
            content = BytesIO()
            np.savez(content, **results)
            write_atomically(args.dump, content.getvalue())
        differences = compare(reference.expected, results)
        print(f"{args.directory / name}\n{'':20}{'absolute':>12}{'relative':>12}{'allowed':>12}")
        for found in differences:
            mark = "" if found.agrees else "  <- differs"
            print(f"{found.key:20}{found.absolute:12.2e}{found.relative:12.2e}{found.tolerance:12.0e}{mark}")
        agrees = agrees and all(found.agrees for found in differences)
    print("everything agrees" if agrees else "not everything agrees")
    return 0 if agrees else 1
