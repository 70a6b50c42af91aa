"""`python -m kaleido align`: which word of a text belongs to which patch of its photo."""

from pathlib import Path

from kaleido import configuration
from kaleido.alignment.run_config import AlignRun
from kaleido.backend import import_backend


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    run = configuration.parse(
        AlignRun,
        argv,
        "python -m kaleido align",
        "Trains a captioner on a catalogue's own texts, and writes aligned words and patches into its records.",
    )
    import_backend()
    from kaleido.alignment.align import align
    from kaleido.alignment.report import FILE, write_alignment
    from kaleido.records.catalog_columns import catalog_of

    found = align(run)
    catalog = catalog_of(found.records["train"], run.catalog)
    print(write_alignment(found, catalog))
    what = f"pairs of {found.photos:,} photos are in the records" if found.photos else "the pairs were there already"
    print(f"{what}; figures in {Path(run.records) / FILE}")
    return 0
