"""`kaleido search`: products of an index, by text, photo or similarity."""

import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kaleido.atomic import write_atomically
from kaleido.commands.command import Command
from kaleido.configuration import POSITIONAL
from kaleido.errors import UserError
from kaleido.ranges import check_range


@dataclass(frozen=True, kw_only=True)
class Search:
    """Query of a search, and the index that is searched.

    Args:
        index: Folder of the index, or s3://BUCKET/PATH.
        text: What is looked for: "red dress with long sleeves".
        photo: Photo of what is looked for; with a text, "like this, in blue".
        similar: Id of a product of the index; products like it are looked for.
        where: Filter on the catalogue's columns: "category = 'dresses' and price < 50".
        top: Number of products to find.
        rerank: Number of products found first that the matching head puts into a new order.
        matcher: Model with a matching head, for --rerank; the index's own model if null.
        model: The model that made the index, where it is no longer in its place.
        format: How results are printed.
        out: File to write results to besides: a contact sheet, .png or .html, or .jsonl.
    """

    index: str = field(metadata=POSITIONAL)
    text: str | None = field(default=None, metadata=POSITIONAL)
    photo: str | None = None
    similar: str | None = None
    where: str | None = None
    top: int = 12
    rerank: int = 0
    matcher: str | None = None
    model: str | None = None
    format: Literal["table", "jsonl"] = "table"
    out: str | None = None

    def __post_init__(self):
        check_range(self, "[1, 10_000]", "top")
        check_range(self, "[0, 10_000]", "rerank")
        if self.similar is not None and (self.text is not None or self.photo or self.rerank):
            raise UserError("--similar takes neither a text, nor --photo, nor --rerank")
        if self.similar is None and self.photo is None and not (self.text or "").strip():
            raise UserError("nothing to search for; give a text, --photo, both, or --similar ID")


def search(config: Search) -> None:
    """Finds products of an index by a text, a photo, both, or as similar to another product."""
    from kaleido.search.index import Index
    from kaleido.search.results import SHEETS, check_sheet, hits_jsonl, hits_table

    if config.out:
        check_sheet(Path(config.out))
    opened = Index.open(config.index, config.model, config.matcher)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        if config.similar is not None:
            hits = opened.similar(config.similar, config.where, config.top)
        else:
            hits = opened.search(config.text, config.photo, config.where, config.top, config.rerank)
    for warning in told:
        if issubclass(warning.category, UserWarning):
            print(f"kaleido search: {warning.message}", file=sys.stderr)
    if not hits:
        print(f"kaleido search: no product passes the filter: {config.where}", file=sys.stderr)
        return
    if config.out:
        title = config.similar or " ".join(filter(None, [config.text, config.photo]))
        write_atomically(Path(config.out), SHEETS[Path(config.out).suffix.lower()](opened, hits, title))
    print(hits_table(hits) if config.format == "table" else hits_jsonl(hits).decode(), end="")
    print("\n" if config.format == "table" else "", end="")


COMMAND = Command(search, Search)
