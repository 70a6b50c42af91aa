"""Photos and texts as a caller has them: single values, lists or generators, and photos in several forms."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL.Image import Image

from kaleido.errors import UserError

Photo: TypeAlias = str | os.PathLike[str] | bytes | Image | np.ndarray
"""A photo: a path, the bytes of an encoded picture, a Pillow image, or uint8 [H, W, 3]."""

Photos: TypeAlias = Photo | Iterable[Photo]
Texts: TypeAlias = str | Iterable[str]

_FORMS = "a path, bytes, a PIL image or uint8 [H, W, 3]"


class Group(NamedTuple):
    """A photo and the examples that show it.

    Attributes:
        name: Name of the photo, for messages: its path, or its place counted from 0 and its form.
        read: Reads the photo, as an encoded picture, a Pillow image or pixels; raises UserError if that fails.
        examples: One object for each example that shows the photo.
    """

    name: str
    read: Callable[[], bytes | np.ndarray | Image]
    examples: list[Any]


class Example(NamedTuple):
    """An example: its place among all, counted from 0, and its text."""

    place: int
    text: str


def examples_of(photos: Photos, texts: Texts | None) -> tuple[Iterator[Group], int | None]:
    """Pairs photos with their texts.

    Args:
        photos: One photo, or any number of them.
        texts: One for each photo, or a single one for all; None are empty texts. A single photo goes with each of
            several texts.

    Returns:
        The photos, whose examples are of the class `Example`, and the number of photos where it is known.

    Raises:
        UserError: if there are more photos than texts or fewer, now or while the photos are iterated, or if an argument
            is of no use.
    """
    items = _items(photos)
    if items is None:
        found = [""] if texts is None else list(text_items(texts))
        group = _named(0, photos)._replace(examples=[Example(place, text) for place, text in enumerate(found)])
        return iter([group] if found else []), 1
    if isinstance(texts, str) or texts is None:
        pairs: Iterator[tuple[Any, str]] = zip(items, repeat(texts or ""))
    else:
        checked = text_items(texts)
        if isinstance(items, Sized) and isinstance(texts, Sized) and len(items) != len(texts):
            raise _unequal(len(items), len(texts))
        pairs = _strictly_paired(items, checked)
    groups = (
        _named(place, photo)._replace(examples=[Example(place, text)]) for place, (photo, text) in enumerate(pairs)
    )
    return groups, len(items) if isinstance(items, Sized) else None


def text_items(texts: Texts) -> Iterator[str]:
    """Gives texts one by one.

    Raises:
        UserError: if one is no text.
    """
    if isinstance(texts, str):
        texts = [texts]
    elif not isinstance(texts, Iterable) or isinstance(texts, bytes | Mapping):
        raise UserError(f"texts must be a str, or a list of them. Received: {type(texts).__name__}")
    return map(_checked_text, range(2**62), texts)


def _checked_text(place: int, text: Any) -> str:
    if not isinstance(text, str):
        raise UserError(f"text {place}, counted from 0, must be a str. Received: {text!r:.100}")
    return text


def _items(photos: Any) -> Iterable[Any] | None:
    """The photos one by one; None for a single one."""
    if isinstance(photos, str | os.PathLike | bytes | bytearray | memoryview | Image):
        return None
    if hasattr(photos, "__array__"):
        # Of pandas, JAX, TensorFlow and PyTorch as well: several photos, or the paths in a column.
        array = np.asarray(photos)
        return array if array.ndim == 4 or (array.ndim == 1 and array.dtype.kind in "OU") else None
    if not isinstance(photos, Iterable) or isinstance(photos, Mapping) or hasattr(photos, "read"):
        raise UserError(f"photos must be {_FORMS}, or a list of such. Received: {type(photos).__name__}")
    return photos


def _named(place: int, photo: Any) -> Group:
    form = {bytearray: "bytes", memoryview: "bytes", np.ndarray: "array"}.get(type(photo), type(photo).__name__)
    name = f"photo {place} ({'PIL image' if isinstance(photo, Image) else form})"
    if isinstance(photo, str | os.PathLike):
        return Group(os.fspath(photo) or name, partial(_read_file, Path(photo)), [])
    if isinstance(photo, bytes | bytearray | memoryview):
        return Group(name, partial(bytes, photo), [])
    if isinstance(photo, Image):
        return Group(name, lambda: photo, [])
    if hasattr(photo, "__array__") and not np.isscalar(photo):
        return Group(name, partial(np.asarray, photo), [])
    return Group(name, partial(_refuse, photo), [])


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"photo cannot be read: {error.strerror}") from None
    except ValueError as error:  # a null byte in the name
        raise UserError(f"photo cannot be read: {error}") from None


def _refuse(photo: Any) -> bytes:
    raise UserError(f"photo must be {_FORMS}. Received: {photo!r:.100}")


def _strictly_paired(photos: Iterable[Any], texts: Iterable[str]) -> Iterator[tuple[Any, str]]:
    one, other = iter(photos), iter(texts)
    end = object()
    count = 0
    while True:
        photo, text = next(one, end), next(other, end)
        if photo is end and text is end:
            return
        if photo is end or text is end:
            raise _unequal(count, f"more than {count}") if photo is end else _unequal(f"more than {count}", count)
        count += 1
        yield photo, text  # type: ignore[misc]


def _unequal(photos: object, texts: object) -> UserError:
    return UserError(
        f"texts must be one for each photo, or a single str for all. Received: {photos} photos and {texts} texts"
    )
