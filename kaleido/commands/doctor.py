"""`kaleido doctor`: a report of what is wrong in a catalogue."""

import sys
from dataclasses import dataclass, field

from kaleido.checkup.thresholds import Thresholds
from kaleido.commands.command import Command
from kaleido.configuration import POSITIONAL
from kaleido.ranges import check_range


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """The catalogue to examine.

    Args:
        catalog: Folder of a catalogue; or a folder of photos, or a table as `catalog import folder` reads it.
        model: Model that makes the vectors, best a two-tower model; or its address or name.
        vectors: Vectors that `embed` made of the same catalogue, instead of MODEL.
        out: Folder for report.html, findings.csv and, where they are made, vectors.parquet.
        labels: Columns whose labels are checked: --labels category articleType; by default category and subcategory.
        shown: Findings of a kind that the page shows; the CSV has all.
        seed: Seed of the samples that are learned from.
        thresholds: From which scores findings are reported.
        escape_formulas: Put an apostrophe before texts in CSV files that a spreadsheet could run as formulas.
    """

    catalog: str = field(metadata=POSITIONAL)
    model: str | None = None
    vectors: str | None = None
    out: str = "report"
    labels: tuple[str, ...] | None = None
    shown: int = 200
    seed: int = 0
    thresholds: Thresholds = Thresholds()
    escape_formulas: bool = True

    def __post_init__(self):
        check_range(self, "[1, 100_000]", "shown")
        check_range(self, "[0, inf)", "seed")


def doctor(config: Doctor) -> None:
    """Finds duplicates, photos and texts that do not belong together, wrong labels, faulty photos and texts."""
    from kaleido.checkup.examine import doctor as examine

    report = examine(
        config.catalog,
        config.model,
        config.out,
        vectors=config.vectors,
        labels=config.labels,
        thresholds=config.thresholds,
        shown=config.shown,
        seed=config.seed,
    )
    for note in report.notes:
        print(f"kaleido doctor: {note}", file=sys.stderr)
    print(report)


COMMAND = Command(doctor, Doctor)
