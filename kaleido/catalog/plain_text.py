"""Plain text of cells that hold HTML, entities, Markdown or characters without width, as shops export them."""

import html
import re
from html.entities import html5

from selectolax.lexbor import LexborHTMLParser


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Elements that separate words; all others of HTML are within words or lines.
_BLOCKS = _names(
    "address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html img input label legend li main menu nav ol optgroup "
    "option p picture pre section select source summary table tbody td tfoot th thead tr ul video"
)
_UNSEEN = _names("head iframe noscript object script style svg template title")
_INLINE = _UNSEEN | _names(
    "abbr acronym applet area audio base basefont bdi bdo big blink button canvas cite code col colgroup data datalist "
    "del dfn em embed font ins kbd link map mark marquee meta nobr output param progress rp rt ruby samp small span "
    "strike strong sub sup time track tt var wbr"
)

# What follows `=` in quotes may contain `>`.
_TAG = re.compile(
    r"""</?([a-z][\w:.-]*)(?=[\s/>])(?>=\s*"[^"<]*"|=\s*'[^'<]*'|[^<>])*+>|<!--|<!doctype[^>]*>|<\?xml[^>]*>|<""", re.I
)
_CLOSING = re.compile(r"</([a-z][\w:.-]*)\s*>", re.I)
_CUT_OFF = re.compile(r"</?([a-z][\w:.-]*)(?:\s[^<>]*)?$", re.I)
_CDATA = re.compile(r"<!\[CDATA\[|\]\]>")
# The usual ones are read without `;` too, as browsers do.
_ENTITY = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|([A-Za-z][A-Za-z0-9]{1,31}));|&(?:nbsp|amp|quot|lt|gt|copy|reg)(?![\w;=])|&"
)

_LINK = re.compile(r'(!?)\[([^\[\]]{0,1000})\]\((?=[^()\s]*[/.#@:])[^()\s]{1,2000}(?: "[^"\n]{0,1000}")?\)')
_EMPHASIS = {
    mark: re.compile(rf"(?<![\w\{mark}])(\{mark}{{{times}}})(?=\S)([^\{mark}\n]{{1,1000}})(?<=\S)\1(?![\w\{mark}])")
    for mark, times in (("*", "1,3"), ("_", "1,3"), ("~", "2"), ("`", "1,3"))
}
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}|\*)[ \t]+", re.MULTILINE)

# Joiners are part of the spelling of Arabic and Indic scripts, and of emoji.
_INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\x01-\x08\x0e-\x1b\x7f]"
    "|[\u200c\u200d](?<![\u0600-\u0dff\u2600-\u2bff\ufe0f\U0001f000-\U0001faff][\u200c\u200d])"
)
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# Windows-1252 that was read as Latin-1.
_CONTROLS = re.compile("[\x80-\x9f]")
# Line breaks as WooCommerce and Excel write them.
_ESCAPED_BREAK = re.compile(r"\\r\\n|\\n|_x000[dD]_\n?")

_UNUSUAL = (
    "\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2069\u3000\ufeff"
)
_UNUSUAL_SIGN = re.compile(f"[{_UNUSUAL}]")
# A quick search for single characters comes first; only texts that have one are searched for markup.
_SUSPICIOUS = re.compile(rf"[<&`*_~#\\\]{_UNUSUAL}]")
_MARKUP = re.compile(
    rf"[<&`{_UNUSUAL}]|\]\(|\*\S|_[^\s_][^_\n]*_|~~|\\[rn]|_x000|\]\]>|^[ \t]*[#*]+[ \t]", re.MULTILINE
)
_BLANKS = re.compile(r"\s+")
_LONG = 100_000
_ENCODED_TIMES = 3
"""Largest number of times that markup is encoded in markup; feeds and spreadsheets do it twice."""


def plain_text(text: str) -> str:
    """Takes off markup: tags, contents of scripts and styles, entities, Markdown, characters without width.

    Block elements and line breaks separate words, inline elements do not. What only looks like markup stays: `5 < 6`,
    `size <M>`, `A & B`.
    """
    if not _SUSPICIOUS.search(text) or not _MARKUP.search(text):
        return text
    plain = _CDATA.sub("", text) if "]]>" in text or "<![" in text else text
    for _ in range(_ENCODED_TIMES):
        if "<" not in plain and "&" not in plain:
            break
        before = plain
        plain = _without_tags(plain) if "<" in plain else _ENTITY.sub(_decoded, plain)
        if plain == before:
            break
    if "](" in plain:
        plain = _LINK.sub(lambda link: "" if link[1] else link[2], plain)
    for mark, emphasis in _EMPHASIS.items():
        if mark in plain:
            plain = emphasis.sub(r"\2", plain)
    if "\\" in plain or "_x000" in plain:
        plain = _ESCAPED_BREAK.sub("\n", plain)
    if "\n" in plain and ("#" in plain or "*" in plain):
        plain = _LINE_MARK.sub("", plain)
    if _UNUSUAL_SIGN.search(plain):
        plain = _CONTROLS.sub(lambda control: control[0].encode("latin-1").decode("cp1252", "ignore"), plain)
        plain = _SPACES.sub(" ", _INVISIBLE.sub("", plain))
    if "<" in text or "&" in text:  # line breaks and indents are those of the markup
        plain = "\n".join(filter(None, map(_squeezed, plain.strip().splitlines())))
    return plain.strip()


def _squeezed(line: str) -> str:
    if len(line) > _LONG:  # its words would take ten times the memory
        return _BLANKS.sub(" ", line).strip()
    return " ".join(line.split())


def _is_entity(entity: re.Match) -> bool:
    return len(entity[0]) > 1 and (entity[1] is None or f"{entity[1]};" in html5)


def _decoded(entity: re.Match) -> str:
    if name := entity[1]:
        return html5.get(f"{name};", entity[0])
    return html.unescape(entity[0]) if len(entity[0]) > 1 else "&"


def _without_tags(text: str) -> str:
    """Takes off tags and decodes entities once, with what is no tag or entity kept from the parser."""
    closed: set[str] = set()

    def is_tag(name: str) -> bool:
        if name in _BLOCKS or name in _INLINE or ":" in name[1:-1]:
            return True
        # Names such as <S> and <M> are sizes unless they are closed.
        if not closed:
            closed.update(("", *(name.lower() for name in _CLOSING.findall(text))))
        return name in closed

    def mark(match: re.Match) -> str:
        if not match[1]:
            return "&lt;" if match[0] == "<" else match[0]
        name = match[1].lower()
        if name in _BLOCKS:
            return "\n"
        # The parser sees no tags but those of unseen elements: it is slow where thousands lie in one another.
        if name in _UNSEEN:
            return match[0]
        return "" if is_tag(name) else "&lt;" + match[0][1:]

    if text.rfind("<") > text.rfind(">"):
        cut = _CUT_OFF.search(text)
        if cut and (is_tag(cut[1].lower()) or "=" in cut[0]):
            text = text[: cut.start()]
    marked = _TAG.sub(mark, text)
    if "<" not in marked:
        return _ENTITY.sub(_decoded, marked) if "&" in marked else marked
    marked = _ENTITY.sub(lambda entity: entity[0] if _is_entity(entity) else "&amp;" + entity[0][1:], marked)
    tree = LexborHTMLParser(marked)
    tree.strip_tags(list(_UNSEEN))
    return tree.body.text(deep=True, separator="") if tree.body else ""
