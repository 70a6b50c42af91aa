"""Converts the original release's text files to records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kaleido.original.batches import TEXTS, to_examples
from kaleido.original.config import PrepareOriginal
from kaleido.original.layout import OriginalLayout
from kaleido.original.records import ORIGINAL
from kaleido.original.schema import Schema
from kaleido.original.text_files import Span, TextFiles
from kaleido.progress import tqdm
from kaleido.records.builder import KaleidoRecords, Portion, Row
from kaleido.records.making import Source, Summary, make_records
from kaleido.records.work_folder import WorkFolder
from kaleido.text import Tokenizer, load_tokenizer

_MOST_BYTES = 2**28
"""Largest amount of text for one file of records, and that an interrupted conversion has to repeat."""

_BATCH = 16


@dataclass(frozen=True, slots=True)
class Converted:
    """A folder of records that `prepare_original` made or found.

    Attributes:
        summary: Counts of the records, and the time that making them took.
        content: Content of the data: `pretraining`, `recognition` or `retrieval`.
        text_bytes: Size of the original's files, in bytes.
        bytes: Size of the records, in bytes.
    """

    summary: Summary
    content: str
    text_bytes: int
    bytes: int

    def __str__(self) -> str:
        made, seconds = self.summary.made, self.summary.seconds
        took = f" in {seconds:.0f} s, {made / seconds:.0f} a second" if made else ", there already"
        counts = ", ".join(f"{count:,} {split}" for split, count in self.summary.photos.items())
        return (
            f"{self.summary.directory}: {self.content} examples {counts}{took}; {self.text_bytes / 1e6:,.1f} MB of "
            f"text, {self.bytes / 1e6:,.1f} MB of records ({self.bytes / self.text_bytes:.0%})"
        )


def prepare_original(config: PrepareOriginal) -> Converted:
    """Converts the original's files to records; continues an interrupted conversion and keeps a finished one.

    Raises:
        UserError: under the conditions of `OriginalSource` and `make_records`.
    """
    source = OriginalSource(config)
    summary = make_records(source, Path(config.out), config.overwrite)
    size = sum(path.stat().st_size for path in summary.directory.iterdir())
    return Converted(summary, source.plan["content"], source.size, size)


class OriginalSource(Source):
    """The original's files as a source for `make_records`.

    Args:
        config: Files, vocabulary and options.

    Raises:
        UserError: if a file or the vocabulary is missing, or no schema fits the files. Making records raises one for
            the first line that does not follow the schema.
    """

    progress = {"unit": "B", "unit_scale": True}

    def __init__(self, config: PrepareOriginal):
        self._config = config
        self._tokenizer = load_tokenizer(Path(config.vocabulary))
        limits = {"vocab_size": self._tokenizer.vocab_size, "photo_size": config.photo_size}
        self._schema = None if config.schema is None else Schema.parse(config.schema)
        self._files: dict[str, TextFiles] = {}
        for split, source in (("train", config.files), ("validation", config.validation)):
            if source is not None:
                self._files[split] = TextFiles.find(source, self._schema, **limits)
                self._schema = self._schema or self._files[split].schema
        self.plan = {
            "kind": ORIGINAL,
            "content": self._schema.content,
            "config": {"vocabulary": config.vocabulary, "photo_size": config.photo_size, "schema": str(self._schema)},
            "sources": {split: files.fingerprint for split, files in self._files.items()},
            "version": str(KaleidoRecords.VERSION),
        }

    @property
    def size(self) -> int:
        """Size of the files, in bytes."""
        return sum(files.size for files in self._files.values())

    def open(self) -> None:
        """Does nothing, because everything is loaded already."""

    def create_tokenizer(self) -> Tokenizer:
        return self._tokenizer

    def portions(
        self, work: WorkFolder, progress: tqdm
    ) -> tuple[OriginalLayout, Mapping[str, Any], Mapping[str, Sequence[Portion]]]:
        portions = {
            split: [
                Portion(span.end - span.start, partial(self._rows, files, span, progress), counted=False)
                for span in files.spans(_MOST_BYTES)
            ]
            for split, files in self._files.items()
        }
        return OriginalLayout(self._schema), {"feature_size": self._schema.feature_size}, portions

    def _rows(self, files: TextFiles, span: Span, progress: tqdm) -> Iterator[Row]:
        """Reads the examples of a span, in order."""
        for columns in files.batches(_BATCH, self._config.workers, [span]):
            examples = to_examples(columns, self._schema.content)
            texts = {name: columns[column].tolist() for name, column in TEXTS[self._schema.content].items()}
            for row in range(len(examples["features"])):
                yield Row({name: values[row] for name, values in (examples | texts).items()})
        progress.update(span.end - span.start)
