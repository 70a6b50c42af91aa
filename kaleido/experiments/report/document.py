"""Writes a report of headings, paragraphs, tables and pictures as Markdown or as one HTML page."""

import base64
import html
import re
from dataclasses import dataclass, field

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; padding: 0 1em; max-width: 1500px; color: #343a46;
  background: #fff }
h2 { margin: 2em 0 .5em } .wide { overflow-x: auto } img { max-width: 100%; height: auto }
table { border-collapse: collapse; font-size: 13px; margin: .5em 0 }
th, td { padding: .25em .6em; text-align: right; white-space: nowrap; border-bottom: 1px solid #e5e7eb }
th { border-bottom: 2px solid #343a46 } td:first-child, th:first-child, td.text, th.text { text-align: left }
td.text { white-space: normal } .note { background: #fdf1e7; padding: .6em 1em; border-left: 4px solid #eb7814 }
tr.paper td { color: #6b7280 }
"""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the title."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences; a `note` stands out."""

    text: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A table.

    Attributes:
        header: Names of the columns.
        rows: Texts of the cells.
        text_columns: Numbers of the columns that hold words and not numbers.
        muted: Numbers of the rows that are shown in grey.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[int, ...] = (0,)
    muted: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, with its file name and a description."""

    name: str
    png: bytes = field(repr=False)
    text: str = ""


Block = Heading | Paragraph | Rows | Picture


def markdown(blocks: list[Block]) -> str:
    """Writes the report as Markdown; pictures are files beside it, under their names."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def page(blocks: list[Block]) -> str:
    """Writes the report as a page that needs no other file."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    body = "\n".join(map(_html, blocks))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _markdown(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {block.text}"
        case Paragraph():
            return f"> {block.text}" if block.note else block.text
        case Picture():
            return f"![{block.text}]({block.name})"
    marks = ["---" if number in block.text_columns else "---:" for number in range(len(block.header))]
    lines = [block.header, marks, *block.rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _html(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{_inline(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p{' class=note' if block.note else ''}>{_inline(block.text)}</p>"
        case Picture():
            data = base64.b64encode(block.png).decode()
            return f'<p><img alt="{html.escape(block.text)}" src="data:image/png;base64,{data}"></p>'

    def line(cells, tag):
        kinds = [" class=text" if number in block.text_columns else "" for number in range(len(cells))]
        return "".join(f"<{tag}{kind}>{_inline(cell)}</{tag}>" for cell, kind in zip(cells, kinds))

    rows = "".join(
        f"<tr{' class=paper' if number in block.muted else ''}>{line(row, 'td')}</tr>\n"
        for number, row in enumerate(block.rows)
    )
    head = f"<thead><tr>{line(block.header, 'th')}</tr></thead>"
    return f'<div class="wide"><table>{head}<tbody>\n{rows}</tbody></table></div>'


def _inline(text: str) -> str:
    """Converts a text with `code` and **bold** in it to HTML."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)
