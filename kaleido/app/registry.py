"""Registry of the tasks that a model can be trained for; importing a task's module registers it."""

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from kaleido.errors import UserError
from kaleido.plugins import TASKS, load_plugins

if TYPE_CHECKING:
    from kaleido.app.records_application import RecordsApplication

Class = TypeVar("Class", bound="type[RecordsApplication]")


class Task(NamedTuple):
    """A registered task.

    Attributes:
        name: Name in `finetune --task` and in saved models.
        description: Infinitive phrase that says what the model learns, for `--help`.
        application: Class that trains and evaluates it.
    """

    name: str
    description: str
    application: "type[RecordsApplication]"


_TASKS: dict[str, Task] = {}


def register_task(name: str, description: str) -> Callable[[Class], Class]:
    """Registers the decorated application class as a task; one class may be registered under several names.

    Args:
        name: Name of the task.
        description: Infinitive phrase that says what the model learns.

    Raises:
        ValueError: if another class has the name.
    """

    def register(application: Class) -> Class:
        known = _TASKS.get(name)
        if known and known.application.__qualname__ != application.__qualname__:
            raise ValueError(f"the task {name} is registered already, by {known.application.__module__}")
        _TASKS[name] = Task(name, description, application)
        return application

    return register


def tasks() -> Mapping[str, Task]:
    """Returns all registered tasks by name, the built-in ones first."""
    load_plugins(TASKS)
    return _TASKS


def finetuning_tasks() -> Mapping[str, Task]:
    """Returns the tasks that a pre-trained model can be fine-tuned for, by name."""
    return {name: task for name, task in tasks().items() if task.application.fine_tunes}


def find_task(name: str) -> Task:
    """Finds a task by its name.

    Raises:
        UserError: if none has that name; names the nearest one.
    """
    known = tasks()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    hint = (
        f"did you mean {near[0]}?" if near else "import the module that registers it, on the command line by --import."
    )
    raise UserError(f"task must be among {', '.join(known)}; {hint} Received: {name}")
