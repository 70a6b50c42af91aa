"""`python -m kaleido VERB`: the verbs, each imported only when it is called."""

import importlib
import os
import signal
import sys

from kaleido.errors import UserError
from kaleido.interruption import ignore_termination, obey_termination

VERBS = {
    "catalog": "import, generate or show a catalogue of products",
    "fetch": "get files from a mirror: http(s), S3 or a folder",
    "saliency": "train the net that finds the product in a photo, and measure it",
    "prepare": "turn a catalogue into records: patches, features, token ids",
    "align": "find out which word belongs to which patch, for guided masking",
    "explain": "show one product: patches, caption, aligned words, masked input",
    "pretrain": "pre-train a model on records",
    "finetune": "fine-tune a model to recognise categories or sub-categories, or to caption photos",
    "evaluate": "evaluate a pre-trained model on held-out products",
    "retrieve": "find the texts of photos and the photos of texts, and measure it",
    "baseline": "what a plain dual encoder and logistic regression reach on the same records",
    "caption": "describe the photos of a folder",
    "predict": "labels, scores or captions of photos and texts, by a trained model",
    "export": "write a trained model as a TensorFlow SavedModel, for servers",
    "weights": "take the original release's checkpoint, or write one",
    "parity": "compare with values that the original release computed",
    "experiments": "run the paper's experiments at some scale",
    "report": "the paper's tables and figures, ours beside theirs",
    "bench": "measure speed: reading, preparing, training",
}
USER_ERROR = 2


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    verb = argv[0]
    # TensorFlow's start-up notes would drown the one line that matters.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if verb not in VERBS:
            raise UserError(f"no such verb; there are {', '.join(VERBS)}. Received: {verb}")
        return importlib.import_module(f"kaleido.commands.{verb}").main(argv[1:])
    except UserError as error:
        print(f"kaleido {verb}: {error}", file=sys.stderr)
        return USER_ERROR
    except OSError as error:
        # A full disk, a missing permission, too long a name: the machine's doing. A file that is not there is a bug's.
        if error.filename is None or isinstance(error, FileNotFoundError):
            raise
        print(f"kaleido {verb}: {error.filename}: {error.strerror}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt as interruption:
        print(f"kaleido {verb}: interrupted", file=sys.stderr)
        return 128 + (interruption.args or (signal.SIGINT,))[0]


def _help():
    width = max(map(len, VERBS))
    lines = "\n".join(f"  {verb:<{width}}  {purpose}" for verb, purpose in VERBS.items())
    return f"usage: python -m kaleido VERB ...\n\n{lines}\n\n`python -m kaleido VERB --help` tells more."


if __name__ == "__main__":
    obey_termination()
    code = main()
    ignore_termination()
    sys.exit(code)
