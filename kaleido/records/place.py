"""Names of the files that records consist of."""

from pathlib import Path

NAME, VERSION, FORMAT = "kaleido_records", "3.0.0", "tfrecord"
"""Name, version and file format of the data set, as its description has them."""

ALIGNER = "aligner"
"""Folder of the aligner, which `align` trains, within the records and within models that were trained on them."""


def partial_directory(directory: Path) -> Path:
    """Folder where an unfinished preparation keeps its files."""
    return directory.parent / f"{directory.name}.partial"


def index_file(split: str) -> str:
    """Name of the file with the index of a split."""
    return f"index-{split}.npz"
