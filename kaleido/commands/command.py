"""Types of `COMMAND`, which every file of `kaleido/commands` defines: a subcommand, or its actions by name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Union

from kaleido import configuration
from kaleido.backend import import_backend
from kaleido.errors import UserError
from kaleido.help_page import help_page
from kaleido.rows import formulas_escaped


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

    @property
    def config_class(self) -> type:
        """The dataclass of the arguments."""
        return self.config if isinstance(self.config, type) else self.config()

    @property
    def description(self) -> str:
        """Describes the command on its `--help` page."""
        return " ".join((inspect.getdoc(self.run) or "").partition("\n\n")[0].split())


Actions = Mapping[str, Union[Command, "Actions"]]


def run_command(command: Command | Actions, prog: str, argv: Sequence[str]) -> int:
    """Runs a subcommand, or the action of it that the first arguments name; returns the exit code.

    Args:
        command: What the subcommand's file holds.
        prog: The words typed so far.
        argv: The words that follow.

    Raises:
        UserError: if there is no such action, or an argument is wrong.
        SystemExit: after `--help` and `--print-config`.
    """
    command, prog, argv = find_action(command, prog, argv)
    if not isinstance(command, Command):
        if argv[:1] in (["-h"], ["--help"]):
            print(_help(command, prog))
            raise SystemExit(0)
        received = argv[0] if argv else "nothing"
        raise UserError(f"invalid choice: {received!r}; `{prog}` takes one of {', '.join(command)}")
    if {"-h", "--help"} & set(argv):
        print(help_page(command.config_class, prog, command.description))
        raise SystemExit(0)
    config = configuration.parse(command.config_class, argv)
    if command.backend:
        # After the arguments were checked: it takes seconds, which a mistyped option should not cost.
        import_backend()
    with formulas_escaped(getattr(config, "escape_formulas", True)):
        return command.run(config) or 0


def find_action(command: Command | Actions, prog: str, argv: Sequence[str]) -> tuple[Command | Actions, str, list[str]]:
    """Follows the words that name actions.

    Returns:
        The command or, where the words do not lead to one, its actions; the words followed, and those left.
    """
    argv = list(argv)
    while not isinstance(command, Command) and argv and argv[0] in command:
        prog, command = f"{prog} {argv[0]}", command[argv.pop(0)]
    return command, prog, argv


def _help(actions: Actions, prog: str) -> str:
    width = max(map(len, actions))
    lines = [
        f"  {name:<{width}}  {action.description if isinstance(action, Command) else ', '.join(action)}"
        for name, action in actions.items()
    ]
    return "\n".join([f"usage: {prog} {'|'.join(actions)} ...", "", *lines, "", "Each with --help tells more."])
