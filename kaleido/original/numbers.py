"""Parses lines of numbers with compiled code.

Numbers are parsed one by one, because vectorised NumPy would pass over every byte some twenty times. Up to eight digits
are converted at once in a 64-bit word (Lemire, "Number Parsing at a Gigabyte per Second", Software: Practice and
Experience 2021). Values are rounded correctly to float64, and then to float32.
"""

import numba
import numpy as np

FLOAT_LIMIT = 65504.0
"""The largest float16 value, and so the largest feature."""

INT, FLOAT, STR = range(3)
"""Codes of the column types."""

_TAB, _PLUS, _COMMA, _MINUS, _POINT, _ZERO, _NINE, _E = b"\t+,-.09e"
_MOST_DIGITS = 15  # every integer of at most 15 digits is exact in float64
_TENS = 10.0 ** np.arange(23)  # the powers of ten that are exact in float64
_WHOLE_TENS = 10 ** np.arange(_MOST_DIGITS)

_WORD = np.uint64
_ZEROS, _SIXES, _HIGH = _WORD(0x3030303030303030), _WORD(0x0606060606060606), _WORD(0xF0F0F0F0F0F0F0F0)
_ONES, _PAIRS = _WORD(0x0101010101010101), _WORD(0x000000FF000000FF)
_FACTORS = _WORD(0x000F424000000064), _WORD(0x0000271000000001)

_compiled = numba.njit(nogil=True, error_model="numpy")


def line_views(line: bytes, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Views the first `size` bytes of a line as single bytes, and as the eight bytes from each position on."""
    text = np.frombuffer(line, np.uint8, size)
    return text, np.ndarray(max(size - 7, 0), "<u8", line, strides=1)


@_compiled
def parse_line(text, words, types, lengths, ints, floats):
    """Parses a line in the usual format; `lines.read_exactly` parses the others.

    Args:
        text: uint8 [n], line without its line end.
        words: uint64 [max(n - 7, 0)], the eight bytes from each position on.
        types: int64 [columns], INT, FLOAT or STR.
        lengths: int64 [columns], number of values in each column.
        ints: int32, filled with the values of the INT columns, and the start and end of each STR column, in order.
        floats: float32, filled with the values of the FLOAT columns, in order.

    Returns:
        Whether the whole line was parsed.
    """
    at, ints_at, floats_at = 0, 0, 0
    for column in range(len(types)):
        if column > 0:
            if at >= len(text) or text[at] != _TAB:
                return False
            at += 1
        if types[column] == FLOAT:
            at = _parse_floats(text, words, at, floats[floats_at : floats_at + lengths[column]])
            floats_at += lengths[column]
        elif types[column] == INT:
            at = _parse_ints(text, at, ints[ints_at : ints_at + lengths[column]])
            ints_at += lengths[column]
        else:
            ints[ints_at] = at
            while at < len(text) and text[at] != _TAB:
                at += 1
            ints[ints_at + 1] = at
            ints_at += 2
        if at < 0:
            return False
    return at == len(text)


@_compiled
def _parse_ints(text, at, out):
    """Parses len(out) whole numbers separated by commas; returns the end of the last one, -1 for other formats."""
    for place in range(len(out)):
        if place > 0:
            if at >= len(text) or text[at] != _COMMA:
                return -1
            at += 1
        negative = at < len(text) and text[at] == _MINUS
        at += negative
        first, value = at, 0
        while at < len(text) and at < first + 9 and _ZERO <= text[at] <= _NINE:
            value = value * 10 + (np.int64(text[at]) - _ZERO)
            at += 1
        if at == first:
            return -1
        out[place] = -value if negative else value
    return at


@_compiled
def _parse_floats(text, words, at, out):
    """Parses len(out) numbers separated by commas; returns the end of the last one, -1 for other formats."""
    fast, last = len(text) - 24, len(out) - 1
    for place in range(len(out)):
        # Fast path for nearly all numbers: one digit, a point, up to fourteen digits, a comma.
        if place < last and at < fast and text[at + 1] == _POINT:
            unit = np.int64(text[at]) - _ZERO
            count, value = _digits(words[at + 2])
            if count == 8 and text[at + 10] != _COMMA:
                more, rest = _digits(words[at + 10])
                if 0 < more < 7:
                    value = value * _WHOLE_TENS[more] + rest
                    count += more
            end = at + 2 + count
            if 0 <= unit <= 9 and count > 0 and text[end] == _COMMA:
                out[place] = (unit * _TENS[count] + value) / _TENS[count]
                at = end + 1
                continue
        number, at = _parse_number(text, at)
        if at < 0 or not -FLOAT_LIMIT <= number <= FLOAT_LIMIT:
            return -1
        out[place] = number
        if place < last:
            if at >= len(text) or text[at] != _COMMA:
                return -1
            at += 1
    return at


@_compiled
def _digits(word):
    """Parses the leading digits of eight characters: their count, and their value if there are any."""
    digits = word ^ _ZEROS
    others = (digits | (digits + _SIXES)) & _HIGH
    below = (others & (~others + _WORD(1))) - _WORD(1)
    count = (((below >> _WORD(7)) & _ONES) * _ONES) >> _WORD(56)
    digits <<= (_WORD(64) - (count << _WORD(3))) & _WORD(63)
    digits = digits * _WORD(10) + (digits >> _WORD(8))
    digits = (digits & _PAIRS) * _FACTORS[0] + ((digits >> _WORD(16)) & _PAIRS) * _FACTORS[1]
    return np.int64(count), np.int64(digits >> _WORD(32))


@_compiled
def _parse_number(text, at):
    """Parses a number of at most 15 digits and an exponent within 22: its value and its end, -1 for other numbers."""
    negative = at < len(text) and text[at] == _MINUS
    at += negative
    value, digits, fraction = 0, 0, -1
    while at < len(text):
        if _ZERO <= text[at] <= _NINE:
            value = value * 10 + (np.int64(text[at]) - _ZERO)
            digits += 1
        elif text[at] == _POINT and fraction < 0:
            fraction = at + 1
        else:
            break
        at += 1
    exponent = fraction - at if fraction >= 0 else 0
    if not 0 < digits <= _MOST_DIGITS:
        return 0.0, -1
    if at < len(text) and text[at] | 32 == _E:
        at += 1
        small = at < len(text) and text[at] == _MINUS
        if small or (at < len(text) and text[at] == _PLUS):
            at += 1
        first, power = at, 0
        while at < len(text) and at < first + 4 and _ZERO <= text[at] <= _NINE:
            power = power * 10 + (np.int64(text[at]) - _ZERO)
            at += 1
        if at == first:
            return 0.0, -1
        exponent += -power if small else power
    if not -22 <= exponent <= 22:
        return 0.0, -1
    number = value / _TENS[-exponent] if exponent < 0 else value * _TENS[exponent]
    return -number if negative else number, at
