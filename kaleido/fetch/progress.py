"""One progress bar for all files that are being fetched."""

from kaleido.fetch.download import Position
from kaleido.progress import tqdm


class Progress:
    """Progress bar of bytes received, out of the bytes of all files begun; used by one thread."""

    def __init__(self, files: int):
        self._bar = tqdm(total=0, unit="B", unit_scale=True, leave=False)
        self._files = files
        self._done = 0
        self._positions: dict[str, Position] = {}
        self._noted = ""
        self._describe()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def moved(self, name: str, now: Position) -> None:
        """Updates the position of a file."""
        if self._bar.disable:
            # A hidden bar has no counts.
            return
        before = self._positions.get(name)
        self._positions[name] = now
        if before is None:
            # Bytes that an earlier run fetched must not count towards this run's rate.
            self._bar.initial += now.position
            before = Position(0, 0)
        self._bar.total += (now.size or 0) - (before.size or 0)
        self._bar.update(now.position - before.position)
        if name == self._noted:
            self._bar.set_postfix_str("", refresh=False)

    def note(self, name: str, text: str) -> None:
        """Shows why a file is waiting, until it goes on."""
        self._noted = name
        self._bar.set_postfix_str(f"{name}: {text}")

    def done(self, name: str) -> None:
        """Counts a file as finished."""
        self._done += 1
        self._describe()

    def _describe(self) -> None:
        self._bar.set_description(f"{self._done}/{self._files} files")
