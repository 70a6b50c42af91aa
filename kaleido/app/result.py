"""The result of an evaluation: metrics, a table for people, and files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaleido.atomic import write_atomically


@dataclass(frozen=True, slots=True)
class Result:
    """What an evaluation found.

    Attributes:
        metrics: Values by name, in JSON types.
        table: The metrics in Markdown, as commands print them.
        files: Content of further files by name.
    """

    metrics: Mapping[str, Any]
    table: str
    files: Mapping[str, bytes] = field(default_factory=dict)

    def write(self, directory: str | Path) -> None:
        """Writes the files into a folder.

        Raises:
            UserError: if the disk refuses.
        """
        for name, content in self.files.items():
            write_atomically(Path(directory) / name, content)
