"""`kaleido align`: the words of a text that belong to each patch of its photo."""

from kaleido.alignment.run_config import AlignRun
from kaleido.commands.command import Command


def align(run: AlignRun) -> None:
    """Trains a captioner on a catalogue's own texts, and writes aligned words and patches into its records."""
    from kaleido.alignment import align as alignment
    from kaleido.alignment.report import FILE, write_alignment
    from kaleido.records.catalog_columns import catalog_of

    found = alignment.align(run)
    print(write_alignment(found, catalog_of(found.records["train"], run.catalog)))
    done = f"pairs of {found.photos:,} photos are in the records" if found.photos else "the pairs were there already"
    print(f"{done}; metrics are in {run.records}/{FILE}")


COMMAND = Command(align, AlignRun)
