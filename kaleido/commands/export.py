"""`python -m kaleido export`: a saved model as a TensorFlow SavedModel."""

from pathlib import Path

from kaleido.backend import import_backend
from kaleido.commands.arguments import ArgumentParser


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    parser = ArgumentParser(
        prog="python -m kaleido export",
        description="Writes a saved model as a TensorFlow SavedModel with the signatures embed, classify and match, as "
        "far as the model has them, which needs neither Kaleido nor Keras.",
    )
    parser.add_argument("model", type=Path, help="the `model` folder of a run")
    parser.add_argument("--out", type=Path, required=True, help="folder of the SavedModel")
    args = parser.parse_args(argv)
    import_backend()
    from kaleido.pretrained.export import EXTRA, export_saved_model

    names = export_saved_model(args.model, args.out)
    print(f"{args.out}: a SavedModel with {', '.join(names)}; vocabulary, labels and preparation are in {EXTRA}/")
    return 0
