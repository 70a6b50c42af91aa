"""Describes the columns of the original release's text files by schema strings, `name:type:length,...`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kaleido.constants import PATCH_COUNTS, PATCHES
from kaleido.errors import UserError

LEVEL_NAMES = ("rotation", "jigsaw", "camouflage", "grey_mask", "blank_mask")
"""The original's names of levels 1 to 5."""

FEATURES, POSITIONS = (
    tuple(prefix + name for name in LEVEL_NAMES) for prefix in ("img_feature_convert_", "img_loc_position_")
)
"""The columns of each level's features and positions."""

CAMOUFLAGE_POSITIONS = "img_loc_position_camouflage"

Content = Literal["pretraining", "recognition", "retrieval"]

Columns = dict[str, np.ndarray]
"""Columns of B lines by name, int32 or float32 [B, length], or texts [B]."""

_COLUMN = re.compile(r"(\w+):(int|float|str):([1-9][0-9]{0,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Column:
    """A column with `length` numbers separated by commas, or with one text."""

    name: str
    type: Literal["int", "float", "str"]
    length: int

    def __str__(self) -> str:
        return f"{self.name}:{self.type}:{self.length}"


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a file, in order.

    Attributes:
        columns: Columns, including those of one of the three published schemas; further columns are not used.
        content: `pretraining`, `recognition` of category and sub-category (CAT/SUB), or `retrieval` (ITR/TIR).
        feature_size: Length D of a patch feature.
        text_length: Number of text positions T.
        predictions: Largest number of masked tokens M per text; 0 for recognition and retrieval.
    """

    columns: tuple[Column, ...]
    content: Content
    feature_size: int
    text_length: int
    predictions: int

    @classmethod
    def parse(cls, text: str) -> "Schema":
        """Parses a schema string.

        The published schema has 35 numbers for the camouflage positions, but the data has 9 patches x 5 = 45, and with
        35 the original's reshape fails; the column always gets the length 45.

        Raises:
            UserError: if a column is malformed, duplicated or missing, or its length does not fit the other columns.
        """
        columns = []
        for part in text.strip().split(","):
            found = _COLUMN.fullmatch(part.strip())
            if not found:
                raise UserError(
                    f"a schema is a list of name:type:length with type int, float or str, separated by commas. "
                    f"Received: {part[:100]!r}"
                )
            name, type_, length = found.groups()
            if type_ == "str" and length != "1":
                raise UserError(
                    f"schema column {name}: a column of type str must have length 1. Received: {part.strip()}"
                )
            columns.append(Column(name, type_, 45 if name == CAMOUFLAGE_POSITIONS else int(length)))
        return cls.of(columns)

    @classmethod
    def of(cls, columns: list[Column]) -> "Schema":
        """Makes the schema of some columns; raises a `UserError` like `parse`."""
        by_name = {column.name: column for column in columns}
        if len(by_name) < len(columns):
            doubled = next(c.name for n, c in enumerate(columns) if c.name in {other.name for other in columns[:n]})
            raise UserError(f"schema column {doubled} occurs twice; name every column once")

        def length(name: str) -> int:
            return by_name[name].length if name in by_name else 1

        content = (
            "pretraining"
            if "masked_lm_ids" in by_name
            else "recognition"
            if "img_category_id" in by_name
            else "retrieval"
        )
        sizes = length(FEATURES[0]), length("input_ids"), length("masked_lm_ids") if content == "pretraining" else 0
        for wanted in _columns(content, *sizes):
            found = by_name.get(wanted.name, "no such column")
            if found != wanted:
                raise UserError(
                    f"schema of {content} data with {sizes[0]} numbers a patch and {sizes[1]} text positions: expected "
                    f"{wanted}. Received: {found}"
                )
        return cls(tuple(columns), content, *sizes)

    @classmethod
    def published(
        cls, content: Content, feature_size: int = 2048, text_length: int = 64, predictions: int = 10
    ) -> "Schema":
        """Makes one of the original's three schemas, with the camouflage positions corrected to 45 numbers."""
        return cls.of(list(_columns(content, feature_size, text_length, predictions)))

    @classmethod
    def of_line(cls, line: bytes) -> "Schema":
        """Makes the published schema with as many columns as a line, and with the feature size of the line.

        Raises:
            UserError: if no published schema has as many columns.
        """
        columns = line.split(b"\t")
        for content in PUBLISHED:
            if len(columns) == len(PUBLISHED[content].columns):
                names = [column.name for column in PUBLISHED[content].columns]
                return cls.published(content, columns[names.index(FEATURES[0])].count(b",") + 1)
        known = ", ".join(f"{len(schema.columns)} ({content})" for content, schema in PUBLISHED.items())
        raise UserError(f"the original's lines have {known} columns; name others by --schema. Received: {len(columns)}")

    def __str__(self) -> str:
        return ",".join(map(str, self.columns))


def _columns(content: Content, feature_size: int, text_length: int, predictions: int) -> Iterator[Column]:
    """Yields the columns of a published schema, in order."""
    text = [Column(name, "int", text_length) for name in ("input_ids", "input_mask", "segment_ids")]
    features = [Column(name, "float", n * feature_size) for name, n in zip(FEATURES, PATCH_COUNTS)]
    photo = [*features, Column("image_mask", "int", PATCHES)]
    photo += [Column(name, "int", n * 5) for name, n in zip(POSITIONS, PATCH_COUNTS)]
    photo_ids = [Column(name, "str", 1) for name in ("image_prod_id", "prod_img_id")]
    match content:
        case "pretraining":
            yield from text
            yield from (Column(f"masked_lm_{name}", "int", predictions) for name in ("positions", "ids"))
            yield Column("masked_lm_weights", "float", predictions)
            yield from photo
            yield Column("img_subtasks_flag", "int", 1)
            yield from (Column("img_grey_lm_ids", "int", 2), Column("img_blank_lm_ids", "int", 3))
            yield from (Column(f"img_{task}_gt", "int", 1) for task in ("rotate", "jigsaw", "camouflage"))
            yield Column("img_grey_mask_gt", "float", 2 * feature_size)
            yield Column("nx_sent_labels", "int", 1)
        case "recognition":
            yield from (Column("text_prod_id", "str", 1), *text, Column("prod_desc", "str", 1), *photo_ids, *photo)
            for name in ("img_category", "img_subcategory"):
                yield from (Column(name, "str", 1), Column(f"{name}_id", "int", 1))
        case "retrieval":
            yield from (Column("text_prod_id", "str", 1), *text, Column("prod_desc", "str", 1))
            yield from (Column("nx_sent_labels", "int", 1), *photo_ids, *photo)


PUBLISHED = {content: Schema.published(content) for content in ("pretraining", "recognition", "retrieval")}
"""The original's schemas by content, for features of length 2048."""
