"""The command line: `kaleido SUBCOMMAND`, also `python -m kaleido SUBCOMMAND`."""

import difflib
import importlib
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence

from kaleido.commands.command import Actions, Command, run_command
from kaleido.errors import UserError
from kaleido.extras import missing_extras_named
from kaleido.interruption import Interrupted, ignore_termination, obey_termination
from kaleido.plugins import import_modules

GROUPS = {
    "every day": {
        "catalog": "import, generate or show a catalogue of products",
        "prepare": "turn a catalogue into records: patches, features, token ids",
        "verify": "compare the checksums of records",
        "align": "align words with patches, for guided masking",
        "pretrain": "pre-train a model on records",
        "finetune": "fine-tune a model: recognise, match or describe products, or a custom task",
        "evaluate": "evaluate a model on held-out products, whatever its task",
        "retrieve": "rank texts for photos and photos for texts, and measure the ranking",
        "predict": "predict labels, scores or captions for photos and texts",
        "embed": "write vectors of the photos and texts of a catalogue",
        "index": "make a catalogue searchable, or bring its index up to date",
        "search": "find products by text, photo or similarity",
        "tag": "give photos labels from free text, without training",
        "doctor": "report what is wrong in a catalogue: duplicates, mismatches, labels, photos, texts",
        "serve": "serve a search page and an HTTP interface over an index or a model",
        "export": "write a model as a TensorFlow SavedModel, for servers",
        "fetch": "download files from a mirror: http(s), S3 or a folder",
        "explain": "show one product: patches, caption, aligned words, masked input",
    },
    "the paper": {
        "experiments": "run the paper's experiments with a preset",
        "report": "write the paper's tables and figures, ours beside theirs",
        "baseline": "measure a plain two-tower model or a logistic regression on the same records",
        "prepare-original": "turn the original release's data files into records",
        "weights": "convert the original release's checkpoint to a model, or back",
    },
    "for developers": {
        "bench": "measure speed: reading, preparing, training, scoring",
        "parity": "compare with values that the original release computed",
        "saliency": "train and measure the network that finds the product in a photo",
    },
}
FORMER = {"caption": "`kaleido predict --model MODEL PHOTOS --out DIR` writes captions"}
"""Replacements of the subcommands of earlier versions."""

USER_ERROR = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand; returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    name = next((argument for argument in argv if not argument.startswith("-")), "")
    try:
        with missing_extras_named():
            return run(argv)
    except UserError as error:
        print(f"kaleido {name}: {error}", file=sys.stderr)
        return USER_ERROR
    except Interrupted as interruption:
        print(f"kaleido {name}: {interruption}", file=sys.stderr)
        return 128 + interruption.signal_number
    except BrokenPipeError:
        # The reader of the output, such as `head`, has closed it; nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a missing permission or too long a name comes from the environment; a missing file is a bug.
        if error.filename is None or isinstance(error, FileNotFoundError):
            raise
        print(f"kaleido {name}: {error.filename}: {error.strerror}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt as interruption:
        print(f"kaleido {name}: interrupted", file=sys.stderr)
        return 128 + (interruption.args or (signal.SIGINT,))[0]


def run(argv: Sequence[str]) -> int:
    """Runs one subcommand without catching its errors; returns the exit code."""
    # TensorFlow's start-up messages would hide an error's one line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    arguments, modules = _without_imports(argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    import_modules(modules)
    return run_command(find_subcommand(arguments[0]), f"kaleido {arguments[0]}", arguments[1:])


def find_subcommand(name: str) -> Command | Actions:
    """Imports a subcommand.

    Raises:
        UserError: if there is none of that name; names its replacement or the nearest one.
    """
    known = [one for group in GROUPS.values() for one in group]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = FORMER.get(name) or (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")
        raise UserError(f"no such subcommand; {hint}. Received: {name}")
    return importlib.import_module(f"kaleido.commands.{name.replace('-', '_')}").COMMAND


def _without_imports(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separates the modules of `--import MODULE` from the other arguments; those of KALEIDO_IMPORT come first."""
    rest, modules = [], os.environ.get("KALEIDO_IMPORT", "").split()
    queue = deque(argv)
    while queue:
        argument = queue.popleft()
        name, equals, value = argument.partition("=")
        if name != "--import":
            rest.append(argument)
        elif equals or queue:
            modules.append(value if equals else queue.popleft())
        else:
            raise UserError("--import needs a module, a file or a folder")
    return rest, modules


def _help() -> str:
    width = max(len(name) for group in GROUPS.values() for name in group)
    blocks = ["usage: kaleido SUBCOMMAND [OPTION ...]"]
    for title, group in GROUPS.items():
        lines = (f"  {name:<{width}}  {purpose}" for name, purpose in group.items())
        blocks.append("\n".join((f"{title}:", *lines)))
    blocks.append("`kaleido SUBCOMMAND --help` shows its options. `python -m kaleido` is the same command.")
    return "\n\n".join(blocks)


if __name__ == "__main__":
    obey_termination()
    code = main()
    ignore_termination()
    sys.exit(code)
