"""`kaleido fetch`: files from a mirror, several at once, resumed and checked."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from kaleido.commands.command import Command
from kaleido.configuration import POSITIONAL
from kaleido.errors import UserError
from kaleido.ranges import check_range


@dataclass(frozen=True)
class Fetch:
    """The files to fetch.

    Args:
        names: Files, relative to the base's folder.
        list: File with more names, one a line, # before those to leave out; - is stdin.
        base: Mirror: http(s)://..., s3://bucket/prefix or a folder; by default the environment variable
            KALEIDO_DATA_URL. Its SHA256SUMS, if it has one, gives checksums.
        folder: Folder of the base that the names are in; by default its top.
        out: Folder to write the files to.
        workers: Files at once.
        tries: Tries in a row without getting further.
        backoff: Seconds before the second try, then doubled.
        timeout: Seconds of silence after which a connection counts as cut.
        seed: Seed of the random part of waiting times.
        anonymous: Do not sign requests to S3.
    """

    names: tuple[str, ...] = field(default=(), metadata=POSITIONAL)
    list: str | None = None
    base: str | None = None
    folder: str = ""
    out: str = "."
    workers: int = 4
    tries: int = 10
    backoff: float = 1.0
    timeout: float = 30.0
    seed: int = 0
    anonymous: bool = False

    def __post_init__(self):
        check_range(self, "[1, inf)", "workers", "tries")
        check_range(self, "[0, inf)", "backoff")
        check_range(self, "(0, inf)", "timeout")


def fetch(config: Fetch) -> None:
    """Fetches files from a mirror, several at once; interrupted downloads are resumed, and checksums are verified."""
    from kaleido.fetch.fetch_files import fetch_files
    from kaleido.fetch.manifest import read_list
    from kaleido.fetch.mirror import HOW_TO_NAME_A_MIRROR
    from kaleido.fetch.mirrors import open_mirror
    from kaleido.fetch.retry import RetryPolicy
    from kaleido.progress import tqdm

    names = [*config.names, *(read_list(config.list) if config.list else ())]
    if not names and config.list:
        print("nothing to fetch: every line of the list is left out")
        return
    if not names:
        raise UserError("no file is named; give NAMES or a --list")
    base = config.base or os.environ.get("KALEIDO_DATA_URL")
    if not base:
        raise UserError(f"nobody hosts these files for everybody; {HOW_TO_NAME_A_MIRROR}")
    mirror = open_mirror(base, config.timeout, config.anonymous)
    print(f"from {mirror.address}", flush=True)
    retry = RetryPolicy(config.tries, config.backoff, config.seed)
    for name, fetched in fetch_files(mirror, names, Path(config.out), config.folder, config.workers, retry):
        tqdm.write(f"{Path(config.out) / name}: {'done' if fetched else 'there already'}")


COMMAND = Command(fetch, Fetch, backend=False)
