"""From the original release's text files to records, once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kaleido.original.batches import PHOTO_SIZE, TEXTS, to_examples
from kaleido.original.layout import OriginalLayout
from kaleido.original.records import ORIGINAL
from kaleido.original.schema import Schema
from kaleido.original.text_files import Span, TextFiles
from kaleido.progress import tqdm
from kaleido.ranges import check_range
from kaleido.records.builder import KaleidoRecords, Portion, Row
from kaleido.records.making import Source
from kaleido.records.work_folder import WorkFolder
from kaleido.text import Tokenizer, load_tokenizer

_MOST_BYTES = 2**28
"""Of text that one file of records is made of; what an interrupted conversion has to do again at most."""

_BATCH = 16


@dataclass(frozen=True)
class ConvertConfig:
    """How the original's data becomes records.

    Attributes:
        vocabulary: A `vocab.txt`, or a folder with one; the token ids must be in it.
        schema: Of the columns; None for the published one that the first line fits.
        photo_size: Width and height of the photos that positions refer to, in pixels.
        workers: Threads that read numbers.
    """

    vocabulary: str
    schema: str | None = None
    photo_size: int = PHOTO_SIZE
    workers: int = 2

    def __post_init__(self):
        check_range(self, "[1, 10_000]", "photo_size")
        check_range(self, "[1, 1000]", "workers")


class OriginalSource(Source):
    """The original's files, as `make_records` takes them.

    Args:
        config: How to make records of them.
        sources: By split, as `TextFiles.find` takes them; `train` at least.

    Raises:
        UserError: if a file or the vocabulary is missing, or there is no schema for the files. Making records raises
            one for the first line that does not follow it.
    """

    progress = {"unit": "B", "unit_scale": True}

    def __init__(self, config: ConvertConfig, sources: Mapping[str, str]):
        self._config = config
        self._tokenizer = load_tokenizer(Path(config.vocabulary))
        limits = {"vocab_size": self._tokenizer.vocab_size, "photo_size": config.photo_size}
        self._schema = None if config.schema is None else Schema.parse(config.schema)
        self._files: dict[str, TextFiles] = {}
        for split, source in sources.items():
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
        """Bytes of text."""
        return sum(files.size for files in self._files.values())

    def open(self) -> None:
        """Nothing is left to load."""

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
        """The examples of a span, in order."""
        for columns in files.batches(_BATCH, self._config.workers, [span]):
            examples = to_examples(columns, self._schema.content)
            texts = {name: columns[column].tolist() for name, column in TEXTS[self._schema.content].items()}
            for row in range(len(examples["features"])):
                yield Row({name: values[row] for name, values in (examples | texts).items()})
        progress.update(span.end - span.start)
