"""Results of a search as text, JSON lines and contact sheets."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from PIL import Image

from kaleido.catalog.contact_sheet import contact_sheet
from kaleido.errors import UserError
from kaleido.rows import jsonl_bytes
from kaleido.search.hits import Hit
from kaleido.search.index import Index
from kaleido.tasks.captioning.sheet import SheetItem, caption_sheet

_TITLE, _FIELDS = 60, 3
"""Characters of a title, and columns of the catalogue, that a table shows."""


def hits_table(hits: Sequence[Hit]) -> str:
    """Writes hits as an aligned table: rank, score, match where it was asked, id, title and some columns."""
    names = list(dict.fromkeys(name for hit in hits for name in hit.fields))[:_FIELDS]
    matched = any(hit.match is not None for hit in hits)
    rows = [["", "score", *(["match"] if matched else []), "id", "title", *names]]
    for rank, hit in enumerate(hits, start=1):
        match = [] if not matched else ["" if hit.match is None else f"{hit.match:.3f}"]
        fields = [_written(hit.fields.get(name, "")) for name in names]
        rows.append([str(rank), f"{hit.score:.3f}", *match, hit.id, hit.title[:_TITLE], *fields])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def hits_jsonl(hits: Sequence[Hit]) -> bytes:
    """Writes a JSON object a hit, in their order."""
    return jsonl_bytes({"rank": rank, **asdict(hit)} for rank, hit in enumerate(hits, start=1))


def hits_png(index: Index, hits: Sequence[Hit], title: str) -> bytes:
    """Draws the thumbnails of hits with rank, score, id and title below."""
    pictures = [Image.open(io.BytesIO(index.thumbnail(hit.photo))) for hit in hits]
    captions = ["\n".join([f"{rank}: {_scores(hit)}", hit.id, hit.title]) for rank, hit in enumerate(hits, start=1)]
    data = io.BytesIO()
    contact_sheet(pictures, captions, columns=4, cell=200).save(data, "PNG")
    return data.getvalue()


def hits_html(index: Index, hits: Sequence[Hit], title: str) -> bytes:
    """Writes one page with the thumbnails of hits, which needs no other file."""
    items = [
        SheetItem(
            hit.id,
            partial(index.thumbnail, hit.photo),
            f"{rank}. {hit.title}" if hit.title else f"{rank}.",
            (_scores(hit), *(f"{name}: {_written(value)}" for name, value in hit.fields.items())),
        )
        for rank, hit in enumerate(hits, start=1)
    ]
    return caption_sheet(title, items).encode()


SHEETS: Mapping[str, Callable[[Index, Sequence[Hit], str], bytes]] = {
    ".png": hits_png,
    ".html": hits_html,
    ".jsonl": lambda index, hits, title: hits_jsonl(hits),
}
"""Functions that write a file of results, by its suffix."""


def check_sheet(path: Path) -> None:
    """Refuses a file of results of another kind than `SHEETS`, with a `UserError`."""
    if path.suffix.lower() not in SHEETS:
        raise UserError(f"{path}: results are written as {', '.join(SHEETS)}; name such a file")


def _scores(hit: Hit) -> str:
    return f"score {hit.score:.3f}" + ("" if hit.match is None else f", match {hit.match:.3f}")


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
