"""The result of an evaluation: metrics, a table for people, and files."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kaleido.atomic import write_together


@dataclass(frozen=True, slots=True)
class Result:
    """Result of an evaluation.

    Attributes:
        metrics: Values by name, in JSON types.
        table: The metrics in Markdown, as commands print them.
        files: Content of further files by name.
    """

    metrics: Mapping[str, Any]
    table: str
    files: Mapping[str, bytes] = field(default_factory=dict)

    def write(self, directory: str | os.PathLike[str]) -> None:
        """Writes the files into a folder.

        Raises:
            UserError: if a file cannot be written.
        """
        write_together(directory, self.files)


def task_result(
    task: str, split: str, metrics: Mapping[str, float], files: Mapping[str, bytes] | None = None, **counts: Any
) -> Result:
    """Makes the usual result of a task: a table of two columns, and `TASK-SPLIT.json`, written after all other files.

    Args:
        task: Name of the task.
        split: Split that was evaluated.
        metrics: Values by name.
        files: Content of further files by name.
        counts: Further values for the JSON file, for example the number of photos.
    """
    rows = [f"| {name} | {value:.4f} |" for name, value in metrics.items()]
    content = {"task": task, "split": split, **counts, "metrics": dict(metrics)}
    file = json.dumps(content, indent=1).encode() + b"\n"
    table = "\n".join([f"| {task}, {split} | |", "|---|---:|", *rows])
    return Result(metrics, table, {**(files or {}), f"{task}-{split}.json": file})
