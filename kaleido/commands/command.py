"""What a file of `kaleido/commands` holds: `COMMAND`, a subcommand or its actions by name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Union

from kaleido import configuration
from kaleido.backend import import_backend
from kaleido.errors import UserError


class Command(NamedTuple):
    """A subcommand, or one action of it.

    Attributes:
        run: Function of the configuration that calls the library and prints; returns an exit code, or None for 0. The
            first paragraph of its docstring describes the command in `--help`.
        config: Dataclass of the arguments, or a function that makes it.
        backend: Whether Keras is needed; it is imported once the arguments are right.
    """

    run: Callable[[Any], int | None]
    config: type | Callable[[], type]
    backend: bool = True


Actions = Mapping[str, Union[Command, "Actions"]]


def run_command(command: Command | Actions, prog: str, argv: Sequence[str]) -> int:
    """Runs a subcommand, or the action of it that the first arguments name; returns the exit code.

    Args:
        command: What the subcommand's file holds.
        prog: The words typed so far.
        argv: The words that follow.

    Raises:
        UserError: if there is no such action, or an argument is wrong.
        SystemExit: after `--help`.
    """
    if not isinstance(command, Command):
        if argv[:1] in (["-h"], ["--help"]):
            print(_actions_help(command, prog))
            raise SystemExit(0)
        if not argv or argv[0] not in command:
            received = argv[0] if argv else "nothing"
            raise UserError(f"invalid choice: {received!r}; `{prog}` takes one of {', '.join(command)}")
        return run_command(command[argv[0]], f"{prog} {argv[0]}", argv[1:])
    config = command.config if isinstance(command.config, type) else command.config()
    values = configuration.parse(config, argv, prog, _description(command))
    if command.backend:
        # After the arguments were checked: it takes seconds, which a mistyped option should not cost.
        import_backend()
    return command.run(values) or 0


def _actions_help(actions: Actions, prog: str) -> str:
    width = max(map(len, actions))
    lines = [
        f"  {name:<{width}}  {_description(action) if isinstance(action, Command) else ', '.join(action)}"
        for name, action in actions.items()
    ]
    return "\n".join([f"usage: {prog} {'|'.join(actions)} ...", "", *lines, "", "Each with --help tells more."])


def _description(command: Command) -> str:
    return " ".join((inspect.getdoc(command.run) or "").partition("\n\n")[0].split())
