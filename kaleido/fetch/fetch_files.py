"""Several files at once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from kaleido.errors import UserError
from kaleido.fetch.download import Download, Moved
from kaleido.fetch.manifest import checked_name, read_checksums
from kaleido.fetch.patience import Patience
from kaleido.fetch.progress import Progress
from kaleido.fetch.source import Source


def fetch_from(
    source: Source, names: Sequence[str], out: Path, folder: str, workers: int, patience: Patience
) -> Iterator[tuple[str, bool]]:
    """Fetches files as `fetch_files` does, all that can be had before the first error.

    Yields:
        Each name as soon as its file is there, with False if it was there already.

    Raises:
        UserError: at the end, naming all files that did not come, and why.
    """
    missing, count = defaultdict(list), 0
    for name, result in fetch_files(source, names, out, folder, workers, patience):
        count += 1
        if isinstance(result, UserError):
            missing[str(result)].append(name)
        else:
            yield name, result
    if missing:
        reasons = "; ".join(f"{', '.join(sorted(names))}: {reason}" for reason, names in sorted(missing.items()))
        lost = sum(map(len, missing.values()))
        raise UserError(f"{lost} of {count} files did not come from {source.address}: {reasons}")


def fetch_files(
    source: Source, names: Sequence[str], out: Path, folder: str, workers: int, patience: Patience
) -> Iterator[tuple[str, bool | UserError]]:
    """Fetches files under a progress bar, and goes on where an earlier call was interrupted.

    Args:
        source: Where from. Its `SHA256SUMS`, if it has one, gives checksums.
        names: Relative to `folder`, and here to `out`.
        out: Where to.
        folder: Of the source; empty for its top.
        workers: Files at once.
        patience: How often to try.

    Yields:
        Each name as soon as it is done, with True if its file was fetched, False if it was there already, and the
        error if it cannot be had.

    Raises:
        UserError: if the source does not answer, or for a name that leads out.
    """
    names = list(dict.fromkeys(map(checked_name, names)))
    places = {name: checked_name(f"{folder}/{name}" if folder else name) for name in names}
    waiting, events = SimpleQueue(), SimpleQueue()
    for name in names:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except Empty:
                return
            place = places[name]
            report = partial(_put, events, name)
            try:
                report(Download(source, place, out / name, checksums.get(place), patience, report).run())
            except Exception as error:
                report(error)

    checksums = read_checksums(source, patience)
    with Progress(len(names)) as progress:
        # Only daemons let an interrupted process leave at once; they must then not write to the terminal themselves.
        for _ in range(min(workers, len(names))):
            Thread(target=work, daemon=True).start()
        left = len(names)
        while left:
            name, event = events.get()
            match event:
                case Moved():
                    progress.moved(name, event)
                case str():
                    progress.note(name, event)
                case bool() | UserError():
                    left -= 1
                    progress.done(name)
                    yield name, event
                case _:
                    raise event


def _put(events: SimpleQueue, name: str, event: Moved | str | bool | Exception) -> None:
    events.put((name, event))
