"""`kaleido weights`: imports and exports the original release's checkpoints."""

from pathlib import Path

from kaleido.backend import import_backend
from kaleido.commands.arguments import ArgumentParser


def main(argv: list[str]) -> int:
    """Runs `import-original` or `export-original`; returns the exit code."""
    parser = ArgumentParser(prog="kaleido weights", description=__doc__.partition(": ")[2])
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    taking = actions.add_parser("import-original", help="make a saved model of the original's checkpoint")
    taking.add_argument("checkpoint", metavar="CKPT", type=Path, help="without .index, like kaleidobert.ckpt-50683")
    taking.add_argument("directory", metavar="OUT_DIR", type=Path, help="folder of the model, replaced if there")
    taking.add_argument("--vocabulary", type=Path, help="vocab.txt, or a folder with one, to save with the model")
    taking.add_argument(
        "--num-heads", type=int, help="attention heads; by default as config.json beside CKPT says, or hidden size / 64"
    )
    giving = actions.add_parser("export-original", help="write a saved model with the original's names and shapes")
    giving.add_argument("directory", metavar="MODEL_DIR", type=Path, help="`model` folder of a run")
    giving.add_argument("checkpoint", metavar="CKPT", type=Path, help="for example out/kaleidobert.ckpt-0")
    args = parser.parse_args(argv)
    import_backend()
    from kaleido.original.checkpoint import export_original, import_original

    if args.action == "import-original":
        print(import_original(args.checkpoint, args.directory, args.vocabulary, args.num_heads))
    else:
        variables = export_original(args.directory, args.checkpoint)
        print(f"{args.checkpoint}: {variables} variables under the original's names")
    return 0
