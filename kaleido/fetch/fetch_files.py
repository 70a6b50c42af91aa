"""Downloads of several files at once."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from kaleido.errors import UserError
from kaleido.fetch.download import Download, Position
from kaleido.fetch.manifest import checked_name, read_checksums
from kaleido.fetch.mirror import Mirror
from kaleido.fetch.progress import Progress
from kaleido.fetch.retry import RetryPolicy

Report = Callable[[Position | str], None]
"""Takes the position of a download, or why it is waiting."""


def fetch_files(
    mirror: Mirror, names: Sequence[str], out: Path, folder: str, workers: int, retry: RetryPolicy
) -> Iterator[tuple[str, bool]]:
    """Fetches files under a progress bar and resumes interrupted downloads; an error does not stop the other files.

    Args:
        mirror: Mirror to fetch from. Its `SHA256SUMS`, if it has one, gives checksums.
        names: Paths relative to `folder` on the mirror and to `out` here.
        out: Folder to write to.
        folder: Folder of the mirror; empty for its top.
        workers: Number of files fetched at once.
        retry: Policy of retries.

    Yields:
        Each name as soon as its file is complete, and whether it was fetched; False if it was there already.

    Raises:
        UserError: at once if the mirror does not answer or a name leads out of its folder; at the end if files could
            not be fetched, naming all of them and why.
    """
    names = list(dict.fromkeys(map(checked_name, names)))
    places = {name: checked_name(f"{folder}/{name}" if folder else name) for name in names}
    missing = defaultdict(list)
    for name, result in _fetch(mirror, places, out, workers, retry):
        if isinstance(result, UserError):
            missing[str(result)].append(name)
        else:
            yield name, result
    if missing:
        reasons = "; ".join(f"{', '.join(sorted(lost))}: {reason}" for reason, lost in sorted(missing.items()))
        count = sum(map(len, missing.values()))
        raise UserError(f"{count} of {len(names)} files did not come from {mirror.address}: {reasons}")


def _fetch(
    mirror: Mirror, places: dict[str, str], out: Path, workers: int, retry: RetryPolicy
) -> Iterator[tuple[str, bool | UserError]]:
    """Yields each name with True if its file was fetched, False if it was there, or its error.

    Args:
        mirror, out, workers, retry: As in `fetch_files`.
        places: Path on the mirror by path in `out`.
    """
    checksums = read_checksums(mirror, retry)

    def download(name: str, report: Report) -> bool:
        place = places[name]
        return Download(mirror, place, out / name, checksums.get(place), retry, report).run()

    return run_downloads(places, download, workers)


def run_downloads(
    names: Iterable[str], download: Callable[[str, Report], bool], workers: int
) -> Iterator[tuple[str, bool | UserError]]:
    """Runs downloads in threads under one progress bar, and yields each name with the result of its download.

    Args:
        names: Names of the files.
        download: Fetches a file and reports its progress; returns whether it was fetched.
        workers: Downloads at once.
    """
    waiting: SimpleQueue[str] = SimpleQueue()
    events: SimpleQueue[tuple[str, Position | str | bool | Exception]] = SimpleQueue()
    left = 0
    for name in names:
        waiting.put(name)
        left += 1

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except Empty:
                return
            report = partial(_put, events, name)
            try:
                report(download(name, report))
            except Exception as error:
                report(error)

    with Progress(left) as progress:
        # Daemon threads let an interrupted process leave at once; they must then not write to the terminal themselves.
        for _ in range(min(workers, left)):
            Thread(target=work, daemon=True).start()
        while left:
            name, event = events.get()
            match event:
                case Position():
                    progress.moved(name, event)
                case str():
                    progress.note(name, event)
                case bool() | UserError():
                    left -= 1
                    progress.done(name)
                    yield name, event
                case _:
                    raise event


def _put(events: SimpleQueue, name: str, event: Position | str | bool | Exception) -> None:
    events.put((name, event))
