"""`python -m kaleido prepare --from-original`: from the original release's text files to records."""

from pathlib import Path

from kaleido.commands.arguments import ArgumentParser

OPTION = "--from-original"


def main(argv: list[str]) -> int:
    """Runs the verb with this option; returns the exit code."""
    parser = ArgumentParser(
        prog="python -m kaleido prepare",
        description="Turns the original release's tab-separated files into records, once. They keep their one draw of "
        "masking and corruption.",
    )
    parser.add_argument(
        OPTION,
        required=True,
        metavar="LIST",
        help="a list of data files, one a line, a pattern in quotes, or a data file: those to train on",
    )
    parser.add_argument("records", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument("--validation", metavar="LIST", help="those held out")
    parser.add_argument("--vocabulary", required=True, help="BERT's vocab.txt, or a folder with it")
    parser.add_argument(
        "--schema",
        help="name:type:length,...; the published one with as many columns as the first line and its feature size if "
        "not given",
    )
    parser.add_argument("--photo-size", type=int, default=256, help="of the positions, in pixels (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="threads that read (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace records of other files or options")
    args = parser.parse_args(argv)
    from kaleido.original.convert import PrepareOriginal, prepare_original

    options = {"validation": args.validation, "schema": args.schema, "photo_size": args.photo_size}
    options |= {"workers": args.workers, "overwrite": args.overwrite}
    print(prepare_original(PrepareOriginal(args.from_original, str(args.records), args.vocabulary, **options)))
    return 0
