"""Modules that register themselves when they are imported: tasks, and further kinds of records.

Lower layers find the additions of upper layers and of other packages by these names, and never import them directly.
"""

import functools
import importlib
import importlib.resources
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from kaleido.errors import UserError

RECORDS = "kaleido.records"
TASKS = "kaleido.tasks"

_RECORDS = ("kaleido.original.pipeline", "kaleido.original.gallery")

imported: list[str] = []
"""Names that `import_modules` has imported, for processes that this one starts."""


@functools.cache
def load_plugins(group: str) -> None:
    """Imports the package's own modules of a group and those that installed packages name as its entry points.

    Args:
        group: `RECORDS` or `TASKS`.

    Raises:
        UserError: if a module of another package cannot be imported.
    """
    for module in _built_in(group):
        importlib.import_module(module)
    for entry in entry_points(group=group):
        try:
            entry.load()
        except Exception as error:  # a module of another package may raise anything
            raise UserError(
                f"{entry.value}: this plug-in ({group}) cannot be imported: {error}; repair or uninstall it"
            ) from error


def _built_in(group: str) -> Iterable[str]:
    """Lists the package's own modules of a group, since a checkout that was not installed has no entry points."""
    if group == RECORDS:
        return _RECORDS
    folders = importlib.resources.files(TASKS).iterdir()
    return sorted(f"{TASKS}.{folder.name}.application" for folder in folders if (folder / "application.py").is_file())


def import_modules(names: Iterable[str]) -> None:
    """Imports modules that register custom tasks or records.

    Args:
        names: Names of modules, or paths of Python files or of packages' folders.

    Raises:
        UserError: if there is no such module.
    """
    for given in names:
        name, path = given, Path(given)
        if path.suffix == ".py" or path.is_dir():
            if not path.exists():
                raise UserError(f"{name}: no such file to import")
            sys.path.insert(0, str(path.resolve().parent))
            name = path.resolve().stem
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name.partition(".")[0] and error.name != name:
                raise
            raise UserError(f"{name}: no such module to import; name an installed one, a file or a folder") from None
        if given not in imported:
            imported.append(given)
