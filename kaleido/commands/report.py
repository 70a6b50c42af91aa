"""`python -m kaleido report`: the paper's tables and figures, ours beside theirs."""

from pathlib import Path

from kaleido.commands.arguments import ArgumentParser


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    parser = ArgumentParser(
        prog="python -m kaleido report",
        description="Writes what experiments came to beside the paper's figures: Markdown, HTML, CSV, LaTeX and JSON.",
    )
    parser.add_argument("runs", type=Path, metavar="RUNS", help="folder that `experiments` wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the report")
    args = parser.parse_args(argv)
    from kaleido.experiments.report.reproduction import PAGE, TEXT, write_report

    print(write_report(args.runs, args.out))
    print(f"{args.out / TEXT} and {args.out / PAGE}")
    return 0
