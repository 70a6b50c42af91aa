"""Character encoding of a table: by its mark, its bytes, or what a detector is sure of."""

import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from charset_normalizer import CharsetMatch, from_bytes

from kaleido.errors import UserError

MARKED = "kaleido-marked"
"""Error handler that decodes bytes which are not of the encoding to a lone surrogate, so that their row is rejected."""

codecs.register_error(MARKED, lambda error: ("\udc80", error.end))

_CHUNK = 1 << 20
_SAMPLE = 1 << 16

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Letters beyond ASCII by language, with those of words that it borrowed.
_WESTERN = (
    "äöüßéèêàçñ",
    "àâæçéèêëîïôœùûüÿñ",
    "áéíñóúüçèª º",
    "áâãàçéêíóôõúüª º",
    "àèéìíòóùçêñ",
    "åäöæøéèüàçêñ",
    "ëïéèêöüáóíàç",
)
_ALPHABETS = {
    "cp1252": _WESTERN,
    "cp1250": ("ąćęłńóśźżéè", "áčďéěíňóřšťúůýžäöü", "áäčďéíĺľňóôŕšťúýžě", "áéíóöőúüű", "čćđšžéö", "ăâîşţșțé"),
    "iso8859_2": ("ąćęłńóśźżéè", "áčďéěíňóřšťúůýžäöü", "áäčďéíĺľňóôŕšťúýžě", "áéíóöőúüű", "čćđšžéö", "ăâîşţșțé"),
    "cp1254": ("çğıöşüİiâîûé",),
    "cp1257": ("āčēģīķļņšūž", "ąčęėįšųūž", "äöõüšž"),
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
}
_OTHER_SCRIPTS = "cp1251 koi8_r cp866 cp1253 cp1255 cp1256 cp874 cp932 euc_jp gb18030 big5 cp949"
# Signs that no text has, alone or within a word: they stand for letters of another encoding.
_ODD = re.compile(r"[¶¦¬¤¨¸ˇ˘˛˝]|(?<=[^\W\d_])(?:[^\w\x00-\x7f’‘´·\xa0\xad–—…®™]|[ªº¹²³¼½¾])(?=[^\W\d_])")


class TextEncoding(NamedTuple):
    """Encoding of a text file.

    Attributes:
        name: Name of the codec.
        note: What was found, where it had to be guessed; else empty.
        clean: Whether all bytes are valid and none is zero.
    """

    name: str
    note: str = ""
    clean: bool = False


def encoding_of(file: BinaryIO, name: str, given: str | None = None) -> TextEncoding:
    """Finds the encoding of a text file, which is read to its end.

    Args:
        file: The file, at its beginning.
        name: Its name for messages.
        given: Encoding that the user says it has.

    Raises:
        UserError: if no encoding is sure, or `given` is unknown.
    """
    if given:
        try:
            codec = codecs.lookup(given)
            codec.decode(b"")
            if not codec._is_text_encoding:
                raise LookupError
        except (LookupError, TypeError, UnicodeError):
            raise UserError(
                f"--encoding must be the name of an encoding, such as utf-8, cp1252 or utf-16. Received: {given!r}."
            ) from None
        return TextEncoding("utf-8-sig" if codec.name == "utf-8" else given)
    head = file.read(_CHUNK)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            # The first four bytes of UTF-32 begin with the mark of UTF-16.
            return TextEncoding(encoding, clean=encoding == "utf-8-sig" and _scan(head[3:], file).clean)
    if encoding := _wide(head):
        return TextEncoding(encoding, f"read as {encoding.upper()}")
    found = _scan(head, file)
    if found.utf8 or found.multibyte > found.broken:
        return TextEncoding("utf-8", clean=found.clean)
    encoding = _detected(found.sample, name)
    return TextEncoding(encoding, f"read as {encoding}, which was guessed; --encoding NAME overrules")


def _wide(head: bytes) -> str:
    """UTF-16 without a mark, by its zeros; else empty."""
    pairs = len(head) // 2
    if pairs < 2:
        return ""
    even, odd = head[: 2 * pairs : 2].count(0) / pairs, head[1 : 2 * pairs : 2].count(0) / pairs
    if odd > 0.3 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.3 and odd < 0.05 else ""


class _Scan(NamedTuple):
    utf8: bool
    clean: bool
    multibyte: int
    broken: int
    sample: bytes


_HIGH = re.compile(rb"[\x80-\xff]")
_REST = re.compile(rb"[^\r\n]{0,2000}")
_MULTIBYTE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+")


def _scan(head: bytes, file: BinaryIO) -> _Scan:
    """Reads to the end: whether all is UTF-8, and a sample of the lines that are not ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, zeros, sample = True, False, []
    room, chunk = _SAMPLE, head
    while chunk:
        zeros = zeros or b"\0" in chunk
        if utf8:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                utf8 = False
        if room > 0 and not chunk.isascii():
            for line in _high_lines(chunk):
                sample.append(line)
                room -= len(line)
                if room <= 0:
                    break
        elif room <= 0 and not utf8:
            break
        chunk = file.read(_CHUNK)
    if utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            utf8 = False
    lines = b"\n".join(sample)
    multibyte = len(_MULTIBYTE.findall(lines))
    broken = lines.decode("utf-8", "replace").count("\ufffd")
    return _Scan(utf8, utf8 and not zeros, multibyte, broken, lines)


def _high_lines(chunk: bytes) -> Iterator[bytes]:
    """Yields what lies around bytes beyond ASCII in their lines; in linear time, as a line may be the whole file."""
    place = 0
    while found := _HIGH.search(chunk, place):
        before = chunk[max(place, found.start() - 1000) : found.start()]
        rest = _REST.match(chunk, found.start())
        assert rest
        yield before[max(before.rfind(b"\n"), before.rfind(b"\r")) + 1 :] + rest[0]
        place = rest.end()


def _detected(sample: bytes, name: str) -> str:
    """Names the only encoding that makes sense of the sample."""
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", sample)]
    if sum(run for run in runs if run > 2) > sum(runs) / 2:
        found = from_bytes(sample, cp_isolation=_OTHER_SCRIPTS.split())
        likely = [match.encoding for match in found]
        if found and (len(found) == 1 or _is_surest(found[0], found[1], sample)):
            return likely[0]
    else:
        likely = [encoding for encoding, alphabets in _ALPHABETS.items() if _fits(sample, encoding, alphabets)]
        if not likely and _fits(sample, "cp1252", ["".join(_WESTERN)]):  # several languages
            return "cp1252"
        texts = {sample.decode(encoding) for encoding in likely}
        if likely and (likely[0] == "cp1252" or len(texts) == 1):
            return likely[0]
    raise UserError(
        f"{name} is not UTF-8, and its encoding is not certain; name it by --encoding, such as --encoding "
        f"{likely[0] if likely else 'cp1252'}, or save the table as UTF-8. "
        f"Likely are: {', '.join(likely[:3]) or 'none'}."
    )


def _is_surest(best: CharsetMatch, next_best: CharsetMatch, sample: bytes) -> bool:
    if next_best.chaos - best.chaos > 0.02 or best.coherence - next_best.coherence > 0.15:
        return True
    return best.encoding in ("cp932", "euc_jp") and bool(re.search("[\u3041-\u30fa]", str(best)))


def _fits(sample: bytes, encoding: str, alphabets: Sequence[str]) -> bool:
    """Tells whether a sample in this encoding is text in one of these alphabets."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    beyond = [character for character in text if character > "\x7f"]
    if any(unicodedata.category(character) in ("Cc", "Cn", "Co") for character in beyond):
        return False
    if _ODD.search(text):
        return False
    letters = [character.lower() for character in beyond if character.isalpha()]
    return any(sum(letter in alphabet for letter in letters) >= 0.9 * len(letters) for alphabet in alphabets)
