"""The command line: `kaleido SUBCOMMAND`, also `python -m kaleido SUBCOMMAND`."""

import _signal
import os
import sys

if __name__ == "__main__" and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    # Ctrl-C ends the imports below without a traceback, that of `signal` among them.
    _signal.signal(_signal.SIGINT, lambda *_: os._exit(128 + _signal.SIGINT))

import difflib
import errno
import importlib
import select
import signal
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from kaleido.commands.command import Actions, Command, run_command
from kaleido.errors import UserError
from kaleido.extras import missing_extras_named
from kaleido.interruption import Interrupted, leave, obey_termination, signal_of
from kaleido.plugins import import_modules
from kaleido.shortage import check_addresses, shortage
from kaleido.terminal import control_characters_escaped

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

_ADDRESSES, _ADDRESSES_OF_CORE = 320 << 20, 32 << 20
"""Bytes of addresses without which NumPy's OpenBLAS exits, and those of a core's thread."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand; returns the exit code."""
    with control_characters_escaped():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    name = next((argument for argument in argv if not argument.startswith("-")), "")
    try:
        with missing_extras_named():
            return _run_and_flush(argv)
    except UserError as error:
        message, code = str(error), USER_ERROR
    except Interrupted as interruption:
        message, code = str(interruption), 128 + interruption.signal_number
    except KeyboardInterrupt as interruption:
        message, code = "interrupted", 128 + signal_of(interruption)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            _discard_output()
            return 0
        told = shortage(error) or _refusal(error)
        if told is None:
            raise
        message, code = told, USER_ERROR
    with suppress(OSError):
        print(f"{f'kaleido {name}'.strip()}: {message}", file=sys.stderr, flush=True)
    try:
        _flush_output()
    except OSError:
        _discard_output()
    return code


def _run_and_flush(argv: Sequence[str]) -> int:
    """Runs one subcommand; its output has arrived when this returns, or raises what is wrong with it."""
    try:
        code = run(argv)
    except SystemExit:  # after --help
        _flush_output()
        raise
    _flush_output()
    return code


def _refusal(error: Exception) -> str | None:
    """Says what the environment refuses: room on a disk, a permission, a name that is too long; None for a bug."""
    if not isinstance(error, OSError) or isinstance(error, FileNotFoundError) or error.strerror is None:
        return None
    if error.filename is None:
        return f"the output cannot be written: {error.strerror}" if error.errno in _FULL else None
    return f"{error.filename}: {error.strerror}"


def _flush_output() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _reader_is_gone() -> bool:
    """Tells whether the reader of the output, such as `head`, has closed it, so that nothing more can be printed."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):
        return False


def _discard_output() -> None:
    """Keeps what cannot be printed from being tried again by the interpreter's shutdown."""
    with suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_standard_streams() -> None:
    """Opens standard streams that the caller has closed: else the first file that is opened would take their place."""
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    # What the terminal's encoding lacks is written by its number.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(argv: Sequence[str]) -> int:
    """Runs one subcommand without catching its errors; returns the exit code."""
    # TensorFlow's start-up messages would hide an error's one line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    arguments, modules = _without_imports(argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    check_addresses(_ADDRESSES, _ADDRESSES_OF_CORE, "this program")
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
    _open_standard_streams()
    obey_termination()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 0
    except Exception:  # a bug, or nearly anything where memory is short
        sys.excepthook(*sys.exc_info())
        code = 1
    leave(code)
