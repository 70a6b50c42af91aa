"""Columns of a table by field: those that the user names, or whose names shops, marketplaces and data sets use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kaleido.catalog.headings import MORE_PHOTOS, PHOTOS, key_of, plain_name, synonyms, without_language
from kaleido.catalog.table import Table, nearest
from kaleido.errors import UserError


@dataclass(frozen=True, slots=True)
class FieldColumns:
    """Columns of every field.

    Attributes:
        columns: Columns by field; none where the table has none.
        others: Columns by field that could have been taken as well.
    """

    columns: dict[str, tuple[str, ...]]
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self.columns[name]

    def describe(self, table: Sequence[str]) -> list[str]:
        """Says in a line each which column every field is read from, which are attributes, and what is ambiguous.

        Args:
            table: Columns of the table.
        """
        read = ", ".join(f"{name} from {_listed(found)}" for name, found in self.columns.items() if found)
        none = ", ".join(name for name, found in self.columns.items() if not found and name != PHOTOS)
        lines = [f"read {read}" + (f"; no column for {none}" if none else "")]
        used = {name for names in self.columns.values() for name in names}
        if rest := [name for name in table if name not in used]:
            lines.append(
                f"kept as attributes: {', '.join(rest[:12])}" + (f" and {len(rest) - 12} more" if rest[12:] else "")
            )
        if self.others:
            also = "; ".join(f"{name} could also be {_listed(found)}" for name, found in self.others.items())
            lines.append(f"{also} (--columns FIELD=COLUMN chooses)")
        return lines


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def resolve_columns(columns: Mapping[str, Sequence[str]], table: Table, fields: Sequence[str]) -> FieldColumns:
    """Finds the columns of every field: those given, or else the first of its usual names that the table has.

    Names match regardless of case, spaces, `_` and other signs. Photos may be in several columns: `image1`, `image2`.

    Args:
        columns: Columns by field, as the user names them.
        table: The table.
        fields: Fields to find.

    Raises:
        UserError: if a field or column does not exist, a column occurs twice, or a field other than `photos` is given
            several columns.
    """
    given: dict[str, tuple[str, ...]] = {}
    for name, wanted in columns.items():
        if name not in fields:
            raise UserError(
                f"--columns: there is no field {name!r}{nearest(name, fields)}; the fields are {', '.join(fields)}."
            )
        if (whole := ",".join(wanted)) in table.columns:  # a name may have commas
            wanted = [whole]
        if name != PHOTOS and len(wanted) > 1:
            raise UserError(f"--columns: only photos may have several columns. Received: {name}={','.join(wanted)}.")
        given[name] = tuple(_named(name, column, table) for column in wanted)
    found, others = {}, {}
    taken = {column for names in given.values() for column in names}
    for name in fields:
        if name in given:
            found[name] = given[name]
            continue
        candidates = _candidates(name, [column for column in table.columns if column not in taken])
        found[name] = candidates[0] if candidates else ()
        taken.update(found[name])
        if len(candidates) > 1:
            others[name] = tuple(column for group in candidates[1:] for column in group)
        for column in found[name]:
            if column in table.repeated and name != PHOTOS:
                raise UserError(
                    f"{table.file}, row 1: the column {column!r} occurs twice; rename one, or choose by --columns "
                    f"{name}={column!r} or {name}='{column} (2)'."
                )
    others = {name: rest for name, names in others.items() if (rest := tuple(set(names) - taken))}
    return FieldColumns(found, {name: tuple(c for c in table.columns if c in rest) for name, rest in others.items()})


def _named(name: str, wanted: str, table: Table) -> str:
    alike = [column for column in table.columns if plain_name(column) == plain_name(wanted)]
    if wanted not in table.columns and len(alike) == 1:
        return alike[0]
    table.require(wanted, f"correct --columns {name}=COLUMN")
    return wanted


def _candidates(name: str, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Columns that a field may be read from, the first choice first; of photos groups of columns."""
    plain: dict[str, list[str]] = {}
    for column in columns:
        plain.setdefault(key_of(column, name), []).append(column)
    for column in columns:  # names with a language come after those without
        if (rest := without_language(column)) != column:
            plain.setdefault(key_of(rest, name), []).append(column)
    found = [tuple(plain[key]) for key in synonyms(name) if key in plain]
    if name != PHOTOS:
        return list(dict.fromkeys((column,) for group in found for column in group))
    more = tuple(column for key in MORE_PHOTOS.split() for column in plain.get(key, ()))
    return [(*found[0], *more), *found[1:]] if found else [more] if more else []
