"""Modules that register themselves: built-in tasks and kinds of records, and those of other distributions.

A distribution adds its own by an entry point, for example `[project.entry-points."kaleido.tasks"] price = "my_price"`.
"""

import importlib
from functools import cache
from importlib.metadata import entry_points

_BUILT_IN = {"kaleido.tasks": ("kaleido.tasks",), "kaleido.records": ("kaleido.original",)}


@cache
def load_plugins(group: str) -> None:
    """Imports all modules of a group, once.

    Args:
        group: `kaleido.tasks` or `kaleido.records`.
    """
    for module in (*_BUILT_IN[group], *(point.module for point in entry_points(group=group))):
        importlib.import_module(module)
