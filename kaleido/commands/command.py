"""What a file of `kaleido/commands` holds: `COMMAND`, a subcommand, or its actions by name."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Union


class Command(NamedTuple):
    """A subcommand, or one action of it.

    Attributes:
        run: Function of the configuration that calls the library and prints; it returns an exit code, or None for 0.
            The first line of its docstring describes the command in `--help`.
        config: Dataclass of the arguments, or a function that makes it.
        backend: Whether Keras is needed; it is imported once the arguments are right.
    """

    run: Callable[[Any], int | None]
    config: type | Callable[[], type]
    backend: bool = True


Actions = Mapping[str, Union[Command, "Actions"]]
