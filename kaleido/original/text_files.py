"""Reads the original release's text files: one example per line, tabs between columns, commas between numbers."""

import glob
import hashlib
import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kaleido.errors import UserError
from kaleido.original.lines import BadLine, Ranges, read_exactly, received
from kaleido.original.numbers import FLOAT, INT, STR, line_views, parse_line
from kaleido.original.schema import Columns, Schema

_CODES = {"int": INT, "float": FLOAT, "str": STR}
_MAX_LINE_BYTES = 2**26
_BUFFER_BYTES = 2**22
_FINGERPRINT_BYTES = 2**16


class Span(NamedTuple):
    """The lines of a file that begin in the byte range `start`..`end`."""

    file: Path
    start: int
    end: int


class Line(NamedTuple):
    """One line with its line end, and the byte of the file at which it begins."""

    file: Path
    start: int
    text: bytes


class TextFiles:
    """Reads the examples of some files, in order.

    Args:
        files: Data files, at least one.
        schema: Schema of the lines; None for the published schema that fits the first line.
        vocab_size: Size of the vocabulary, which token ids must be below; None if unknown.
        photo_size: Width and height of the photos, in pixels; None if unknown.

    Raises:
        UserError: if a file is missing or empty, or no published schema fits the first line.
    """

    def __init__(
        self,
        files: Sequence[Path],
        schema: Schema | None = None,
        vocab_size: int | None = None,
        photo_size: int | None = None,
    ):
        self.files = list(files)
        self._sizes = [_size(file) for file in self.files]
        self.schema = schema or _published_schema(self.files[0])
        self._ranges = Ranges(self.schema, vocab_size, photo_size)
        columns = self.schema.columns
        self._types = np.array([_CODES[column.type] for column in columns])
        self._lengths = np.array([column.length for column in columns])
        self._floats = int(self._lengths[self._types == FLOAT].sum())
        self._ints = int(self._lengths[self._types == INT].sum() + 2 * (self._types == STR).sum())

    @classmethod
    def find(cls, source: str, schema: Schema | None = None, **limits: int | None) -> "TextFiles":
        """Opens the files that a user specifies.

        Args:
            source: A list file with one data file per line, as in the original; a pattern such as `data/*.txt`, whose
                files are read in the order of their names; or a data file, recognised by tabs in its first line. Names
                in a list file are relative to the list file, or else to the working directory.
            schema: See the class.
            **limits: `vocab_size` and `photo_size`; see the class.
        """
        return cls(find_files(source), schema, **limits)

    @property
    def size(self) -> int:
        """Size of all files, in bytes."""
        return sum(self._sizes)

    @property
    def fingerprint(self) -> str:
        """Checksum of the sizes, beginnings and ends of the files, independent of their location."""
        digest = hashlib.sha256()
        for file, size in zip(self.files, self._sizes):
            with open(file, "rb") as stream:
                digest.update(b"%d " % size + stream.read(_FINGERPRINT_BYTES))
                stream.seek(max(0, size - _FINGERPRINT_BYTES))
                digest.update(stream.read())
        return digest.hexdigest()

    def spans(self, most_bytes: int) -> list[Span]:
        """Divides the files into parts of about equal size, at most `most_bytes` each."""
        spans = []
        for file, size in zip(self.files, self._sizes):
            parts = math.ceil(size / most_bytes)
            cuts = [size * part // parts for part in range(parts + 1)]
            spans += [Span(file, *ends) for ends in itertools.pairwise(cuts)]
        return spans

    def batches(self, batch_size: int, workers: int = 2, spans: Sequence[Span] | None = None) -> Iterator[Columns]:
        """Reads the columns of the examples.

        Args:
            batch_size: Examples B per batch; the last batch can be smaller.
            workers: Number of threads that parse lines; it does not change the result.
            spans: Spans to read; None reads all files.

        Yields:
            Columns by name: int32 or float32 [B, length], views of one array; texts [B].

        Raises:
            UserError: naming file, line and column of the first line that does not follow the schema.
        """
        spans = self.spans(max(self._sizes)) if spans is None else spans
        lines = itertools.chain.from_iterable(map(_lines, spans))
        pool = ThreadPoolExecutor(workers, thread_name_prefix="lines")
        try:
            ahead: deque[_Batch] = deque()
            while batch := self._begin(pool, itertools.islice(lines, batch_size), batch_size):
                ahead.append(batch)
                if len(ahead) > 1:
                    yield self._finish(ahead.popleft())
            while ahead:
                yield self._finish(ahead.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _begin(self, pool: ThreadPoolExecutor, lines: Iterator[Line], batch_size: int) -> "_Batch | None":
        batch = _Batch(np.empty((batch_size, self._ints), np.int32), np.empty((batch_size, self._floats), np.float32))
        for row, line in enumerate(lines):
            batch.texts.append(pool.submit(self._read, line, batch.ints[row], batch.floats[row]))
        return batch if batch.texts else None

    def _finish(self, batch: "_Batch") -> Columns:
        texts = [future.result() for future in batch.texts]
        ints, floats = batch.ints[: len(texts)], batch.floats[: len(texts)]
        columns, ints_at, floats_at, texts_at = {}, 0, 0, 0
        for column in self.schema.columns:
            match column.type:
                case "int":
                    columns[column.name] = ints[:, ints_at : ints_at + column.length]
                    ints_at += column.length
                case "float":
                    columns[column.name] = floats[:, floats_at : floats_at + column.length]
                    floats_at += column.length
                case "str":
                    columns[column.name] = np.array([row[texts_at] for row in texts], np.str_)
                    ints_at, texts_at = ints_at + 2, texts_at + 1
        return columns

    def _read(self, line: Line, ints: np.ndarray, floats: np.ndarray) -> list[str]:
        """Parses a line into `ints` and `floats`; returns its texts."""
        text = line.text
        size = len(text) - text.endswith(b"\n") - text.endswith(b"\r\n")
        try:
            if not parse_line(*line_views(text, size), self._types, self._lengths, ints, floats):
                ints[:], floats[:] = read_exactly(text[:size], self.schema)
            self._ranges.check(ints)
            return self._texts(text, ints)
        except BadLine as error:
            number = _count_lines(line.file, line.start) + 1
            raise UserError(f"{line.file}, line {number}: {error}") from None

    def _texts(self, line: bytes, ints: np.ndarray) -> list[str]:
        texts, at = [], 0
        for column in self.schema.columns:
            if column.type == "str":
                value = line[ints[at] : ints[at + 1]]
                try:
                    texts.append(value.decode("utf-8"))
                except UnicodeDecodeError:
                    raise BadLine(f"column {column.name}: not UTF-8. {received(value)}") from None
            at += {"int": column.length, "float": 0, "str": 2}[column.type]
        return texts


@dataclass(slots=True)
class _Batch:
    """Arrays that lines are parsed into, and the pending texts of the lines."""

    ints: np.ndarray
    floats: np.ndarray
    texts: list[Future] = field(default_factory=list)


def find_files(source: str) -> list[Path]:
    """Finds the data files that a user specifies; see `TextFiles.find`.

    Raises:
        UserError: if there are none, or a list file names a missing file.
    """
    path = Path(source)
    if not path.exists() and glob.has_magic(source):
        files = [Path(name) for name in sorted(glob.glob(source, recursive=True)) if Path(name).is_file()]
        if not files:
            raise UserError(f"no file matches the pattern. Received: {source}")
        return files
    _size(path)
    first = _first_line(path)
    if b"\t" in first:
        return [path]
    try:
        names = path.read_text(encoding="utf-8-sig").splitlines() if len(first) < _BUFFER_BYTES else []
    except UnicodeDecodeError:
        names = []
    if not any(map(str.strip, names)):
        raise UserError(f"{path}: neither a data file, with tabs between columns, nor a list of data files")
    return [_listed(path, number, name.strip()) for number, name in enumerate(names, 1) if name.strip()]


def _listed(path: Path, number: int, name: str) -> Path:
    for file in (path.parent / name, Path(name)):
        if file.is_file():
            return file
    raise UserError(
        f"{path}, line {number}: no such data file, neither beside the list nor in the working directory. "
        f"Received: {name[:200]}"
    )


def _size(file: Path) -> int:
    if not file.is_file():
        raise UserError(f"{file}: no such file; name a list of data files, a pattern in quotes, or a data file")
    size = file.stat().st_size
    if not size:
        raise UserError(f"{file}: empty; a data file needs at least one line")
    return size


def _published_schema(file: Path) -> Schema:
    try:
        return Schema.of_line(_first_line(file))
    except UserError as error:
        raise UserError(f"{file}, line 1: {error}") from None


def _first_line(file: Path) -> bytes:
    with open(file, "rb") as stream:
        return stream.readline(_MAX_LINE_BYTES)


def _lines(span: Span) -> Iterator[Line]:
    with open(span.file, "rb", buffering=_BUFFER_BYTES) as stream:
        at = span.start
        if at:
            # Skips the rest of the line that began before the span.
            stream.seek(at - 1)
            at += len(stream.readline(_MAX_LINE_BYTES)) - 1
        while at < span.end:
            text = stream.readline(_MAX_LINE_BYTES)
            if len(text) == _MAX_LINE_BYTES:
                number = _count_lines(span.file, at) + 1
                raise UserError(f"{span.file}, line {number}: longer than {_MAX_LINE_BYTES:,} bytes; not a data file")
            if not text:
                raise UserError(f"{span.file}: became shorter while it was being read; run the same command again")
            yield Line(span.file, at, text)
            at += len(text)


def _count_lines(file: Path, end: int) -> int:
    """Counts the lines that end in a file's first bytes."""
    lines = 0
    with open(file, "rb") as stream:
        while end > 0 and (chunk := stream.read(min(end, _BUFFER_BYTES))):
            lines += chunk.count(b"\n")
            end -= len(chunk)
    return lines
