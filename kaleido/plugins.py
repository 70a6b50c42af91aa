"""Modules that register themselves when they are imported: tasks, and further kinds of records.

Lower layers find what upper layers and other packages add through these names, and never import them by themselves.
"""

import functools
import importlib
from importlib.metadata import entry_points

from kaleido.errors import UserError

RECORDS = "kaleido.records"
TASKS = "kaleido.tasks"

# A checkout that was never installed has no entry points, so the package's own modules are named here.
_BUILT_IN = {
    RECORDS: ("kaleido.original.pipeline",),
    TASKS: (
        "kaleido.tasks.pretraining",
        "kaleido.tasks.classification",
        "kaleido.tasks.matching",
        "kaleido.tasks.captioning",
    ),
}


@functools.cache
def load_plugins(group: str) -> None:
    """Imports the package's own modules of a group and those that installed packages name as its entry points.

    Args:
        group: `RECORDS` or `TASKS`.

    Raises:
        UserError: if a module of another package cannot be imported.
    """
    for module in _BUILT_IN[group]:
        importlib.import_module(module)
    for entry in entry_points(group=group):
        try:
            entry.load()
        except Exception as error:  # whatever a foreign module raises
            raise UserError(
                f"{entry.value}: this plug-in ({group}) cannot be imported: {error}; repair or uninstall it"
            ) from error
