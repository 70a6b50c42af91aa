"""Command lines of the verbs that take no configuration."""

import argparse
from collections.abc import Sequence

from kaleido.errors import UserError


class ArgumentParser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line, like every other error a user can make."""

    def error(self, message: str):
        raise UserError(f"{message}; `{self.prog} --help` tells more")


def column_names(pairs: Sequence[str]) -> dict[str, list[str]]:
    """The columns of each field, from FIELD=COLUMN or FIELD=COLUMN,COLUMN.

    Raises:
        UserError: if a pair is none.
    """
    columns = {}
    for pair in pairs:
        field, equals, names = pair.partition("=")
        if not equals or not all(names.split(",")):
            raise UserError(f"--columns takes FIELD=COLUMN, and photos=COLUMN,COLUMN. Received: {pair!r}.")
        columns[field] = names.split(",")
    return columns
