"""`kaleido report`: the paper's tables and figures, ours beside theirs."""

from dataclasses import dataclass, field
from pathlib import Path

from kaleido.commands.command import Command
from kaleido.configuration import POSITIONAL


@dataclass(frozen=True)
class Report:
    """The experiments to report on.

    Args:
        runs: Folder that `experiments` wrote.
        out: Folder of the report.
    """

    runs: str = field(metadata=POSITIONAL)
    out: str


def report(config: Report) -> None:
    """Writes the results of experiments beside the paper's: Markdown, HTML, CSV, LaTeX and JSON."""
    from kaleido.experiments.report.reproduction import PAGE, TEXT, write_report

    out = Path(config.out)
    print(write_report(Path(config.runs), out))
    print(f"{out / TEXT} and {out / PAGE}")


COMMAND = Command(report, Report, backend=False)
