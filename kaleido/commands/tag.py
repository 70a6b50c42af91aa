"""`kaleido tag`: labels of photos from free text, without training."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from kaleido.atomic import write_atomically
from kaleido.commands.command import Command
from kaleido.commands.sources import SourceOptions
from kaleido.configuration import POSITIONAL
from kaleido.errors import UserError
from kaleido.ranges import check_range


@dataclass(frozen=True, kw_only=True)
class Tag(SourceOptions):
    """Photos to label, the labels and the model.

    Args:
        source: A catalogue; a folder with photos; or a table as `catalog import folder` reads it.
        model: Folder of a two-tower model, or its address or name.
        labels: Text file with a label a line.
        column: Column of SOURCE whose values are labels, and on which the threshold is calibrated: on products that
            are not of the test split.
        prompts: Texts that a label is put into: --prompts '{label}' 'dress with {label}'.
        threshold: Least cosine of a label that is given; null calibrates it by --column.
        top: Largest number of labels of a photo.
        vectors: Vectors of SOURCE by `kaleido embed`, which are completed where photos are missing in them.
        out: File to write, .csv or .jsonl.
        escape_formulas: Put an apostrophe before texts in CSV files that a spreadsheet could run as formulas.
    """

    source: str = field(metadata=POSITIONAL)
    model: str
    labels: str | None = None
    column: str | None = None
    prompts: tuple[str, ...] = ("{label}",)
    threshold: float | None = None
    top: int = 1
    vectors: str | None = None
    out: str
    escape_formulas: bool = True

    def __post_init__(self):
        super().__post_init__()
        check_range(self, "[1, 10_000]", "top")
        check_range(self, "[-1, 1]", "threshold")
        if self.labels is None and self.column is None:
            raise UserError("give --labels FILE, --column NAME, or both. Received: neither")
        if Path(self.out).suffix not in (".csv", ".jsonl"):
            raise UserError(f"out must end in .csv or .jsonl. Received: {self.out}")


def tag(config: Tag) -> None:
    """Gives photos labels from free text, or the values of a column, by a two-tower model and without training."""
    from kaleido.rows import jsonl_bytes
    from kaleido.search import tags

    found = tags.tag(
        config.source,
        tags.read_labels(config.labels) if config.labels is not None else None,
        config.model,
        column=config.column,
        prompts=config.prompts,
        threshold=config.threshold,
        top=config.top,
        vectors=config.vectors,
        reading=config.reading(),
        batch_size=config.batch_size,
        on_error=config.on_error,
    )
    out = Path(config.out)
    write_atomically(out, found.csv() if out.suffix == ".csv" else jsonl_bytes(found.rows()))
    for line in found.notes:
        print(f"kaleido tag: {line}", file=sys.stderr)
    labelled = sum(bool(labels) for labels in found.found)
    lines = [*found.skipped, *([str(found.calibration)] if found.calibration else [])]
    print("\n".join([*lines, f"{labelled:,} of {len(found.photos):,} photos are given labels, in {out}"]))


COMMAND = Command(tag, Tag)
