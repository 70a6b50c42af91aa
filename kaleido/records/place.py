"""Names of the files that records consist of."""

from pathlib import Path

NAME, VERSION = "kaleido_records", "2.0.0"
"""Name and version of the data set, as its description has them."""


def partial_directory(directory: Path) -> Path:
    """Folder where an unfinished preparation keeps its files."""
    return directory.parent / f"{directory.name}.partial"


def index_file(split: str) -> str:
    """Name of the file with the index of a split."""
    return f"index-{split}.npz"
