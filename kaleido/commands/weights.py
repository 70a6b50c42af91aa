"""`python -m kaleido weights`: the original release's checkpoints, both ways."""

import argparse
import os
from pathlib import Path

from kaleido.backend import import_backend
from kaleido.commands.arguments import ArgumentParser
from kaleido.errors import UserError


def main(argv: list[str]) -> int:
    """Runs `import-original` or `export-original`; returns the exit code."""
    parser = ArgumentParser(prog="python -m kaleido weights", description=__doc__.partition(": ")[2])
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    taking = actions.add_parser("import-original", help="make a saved model of the original's checkpoint")
    taking.add_argument("checkpoint", metavar="CKPT", type=Path, help="without .index, like kaleidobert.ckpt-50683")
    taking.add_argument("directory", metavar="OUT_DIR", type=Path, help="folder of the model, replaced if there")
    taking.add_argument("--vocabulary", default="", help="vocab.txt, or a folder with one, to save with the model")
    taking.add_argument(
        "--num-heads", type=int, help="attention heads; by default as config.json beside CKPT says, or hidden size / 64"
    )
    taking.set_defaults(action=_import)
    giving = actions.add_parser("export-original", help="write a saved model with the original's names and shapes")
    giving.add_argument("directory", metavar="MODEL_DIR", type=Path, help="`model` folder of a run")
    giving.add_argument("checkpoint", metavar="CKPT", type=Path, help="for example out/kaleidobert.ckpt-0")
    giving.set_defaults(action=_export)
    args = parser.parse_args(argv)
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise UserError("weights reads and writes TensorFlow checkpoints; leave KERAS_BACKEND unset")
    import_backend()
    args.action(args)
    return 0


def _import(args: argparse.Namespace) -> None:
    from kaleido.app.model_folder import save_model
    from kaleido.model.kaleido_bert import KaleidoBert
    from kaleido.original.checkpoint import OriginalCheckpoint
    from kaleido.text import load_tokenizer

    checkpoint = OriginalCheckpoint(args.checkpoint)
    config = checkpoint.model_config(args.num_heads)
    tokenizer = load_tokenizer(Path(args.vocabulary)) if args.vocabulary else None
    if tokenizer and tokenizer.vocab_size != config.vocab_size:
        raise UserError(
            f"{args.vocabulary}: has {tokenizer.vocab_size:,} pieces where the checkpoint has {config.vocab_size:,}"
        )
    model = KaleidoBert(config)
    checkpoint.load_into(model)
    save_model(args.directory, model, tokenizer, {"original_checkpoint": checkpoint.path.name})
    step = "" if checkpoint.step is None else f" of step {checkpoint.step:,}"
    print(
        f"{args.directory}: {len(model.weights)} variables{step}; {config.num_layers} layers, {config.hidden_size} "
        f"wide, {config.num_heads} heads, {config.vocab_size:,} word pieces, feature size {config.feature_size:,}, "
        "all of the original's quirks on"
    )
    if not tokenizer:
        print("without a vocabulary: --vocabulary saves one with it, which predictions from texts need")


def _export(args: argparse.Namespace) -> None:
    from kaleido.app.model_folder import load_model
    from kaleido.original.checkpoint import save_original

    model = load_model(args.directory)
    save_original(model, args.checkpoint)
    print(f"{args.checkpoint}: {len(model.weights)} variables under the original's names")
