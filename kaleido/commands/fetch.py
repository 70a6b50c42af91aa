"""`python -m kaleido fetch`: files from a mirror, several at once, resumed and checked."""

import os
import sys
from collections import defaultdict
from pathlib import Path

from kaleido.commands.arguments import ArgumentParser
from kaleido.errors import UserError
from kaleido.fetch.fetch_files import fetch_files
from kaleido.fetch.manifest import read_list
from kaleido.fetch.patience import Patience
from kaleido.fetch.source import HOW_TO_NAME_A_MIRROR
from kaleido.fetch.sources import source_at
from kaleido.progress import tqdm


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    parser = ArgumentParser(prog="python -m kaleido fetch", description=__doc__.partition(": ")[2])
    parser.add_argument("names", nargs="*", metavar="NAME", help="a file, relative to the base's folder")
    parser.add_argument(
        "--list", metavar="FILE", help="more names, one a line, # before those to leave out; - is stdin"
    )
    parser.add_argument(
        "--base",
        default=os.environ.get("KALEIDO_DATA_URL", ""),
        metavar="URL",
        help="http(s)://..., s3://bucket/prefix or a folder; by default what KALEIDO_DATA_URL says. Its SHA256SUMS, if "
        "it has one, gives checksums",
    )
    parser.add_argument("--folder", default="", help="of the base, that the names are in; by default its top")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where the files go (%(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="files at once (%(default)s)")
    parser.add_argument("--tries", type=int, default=10, help="in a row without getting further (%(default)s)")
    parser.add_argument(
        "--backoff", type=float, default=1.0, help="seconds before the second try, then doubled (%(default)s)"
    )
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds of silence on a connection (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random part of waiting times (%(default)s)")
    parser.add_argument("--anonymous", action="store_true", help="do not sign requests to S3")
    args = parser.parse_args(argv)
    if min(args.workers, args.tries) < 1 or args.backoff < 0 or not 0 < args.timeout < float("inf"):
        received = f"{args.workers}, {args.tries}, {args.backoff}, {args.timeout}"
        raise UserError(f"--workers, --tries and --timeout must be above 0, --backoff not below. Received: {received}")
    names = [*args.names, *_listed(args.list)]
    if not names and not args.list:
        raise UserError("no file is named; give NAMEs or a --list")
    if not names:
        print("nothing to fetch: every line of the list is left out")
        return 0
    if not args.base:
        raise UserError(f"nobody hosts these files for everybody; {HOW_TO_NAME_A_MIRROR}")
    source = source_at(args.base, args.timeout, args.anonymous)
    patience = Patience(args.tries, args.backoff, args.seed)
    print(f"from {source.address}", flush=True)
    missing, count = defaultdict(list), 0
    for name, result in fetch_files(source, names, args.out, args.folder, args.workers, patience):
        count += 1
        if isinstance(result, UserError):
            missing[str(result)].append(name)
        else:
            tqdm.write(f"{args.out / name}: {'done' if result else 'there already'}")
    if missing:
        reasons = "; ".join(f"{', '.join(sorted(names))}: {reason}" for reason, names in sorted(missing.items()))
        lost = sum(map(len, missing.values()))
        raise UserError(f"{lost} of {count} files did not come from {source.address}: {reasons}")
    return 0


def _listed(path: str | None) -> list[str]:
    if path is None:
        return []
    try:
        if path == "-":
            return read_list(sys.stdin)
        with open(path, encoding="utf-8") as file:
            return read_list(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list of files: {error}") from None
