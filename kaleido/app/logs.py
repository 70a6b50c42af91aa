"""Training curves of a run: `metrics.jsonl`, and the same as TensorBoard events."""

import json
import os
import re
import socket
import time
from contextlib import suppress
from pathlib import Path

from kaleido.atomic import refusals_named, write_atomically
from kaleido.errors import UserError
from kaleido.untrusted import MAX_FILE, read_plain


class MetricsLog:
    """Appends points of the curves; after a resume no step is missing and none occurs twice.

    Args:
        directory: Folder of the run.
        first_step: Last step whose point is kept; later ones, left by an interrupted run, are computed again.
        tensorboard: Whether to write events into `directory/tensorboard` as well.

    Raises:
        UserError: if a file cannot be written, here and in `write`.
    """

    def __init__(self, directory: Path, first_step: int, tensorboard: bool = True):
        self.path = Path(directory) / "metrics.jsonl"
        kept = [point for point in read_metrics(self.path) if point["step"] <= first_step]
        write_atomically(self.path, "".join(json.dumps(point) + "\n" for point in kept).encode())
        with refusals_named(self.path):
            self._file = open(self.path, "ab")  # noqa: SIM115  closed in close()
        self._events = _Events(Path(directory) / "tensorboard", first_step) if tensorboard else None

    def write(self, step: int, values: dict[str, float]) -> None:
        """Adds one point: values by tag, for example `loss/mlm`; it is on the disk when this returns."""
        with refusals_named(self.path):
            self._file.write(json.dumps({"step": step, **values}).encode() + b"\n")
            self._file.flush()
            # The checkpoint that follows must not survive a power failure that these points do not survive.
            os.fsync(self._file.fileno())
        if self._events:
            self._events.write(step, values)

    def close(self) -> None:
        """Closes the files."""
        # Data that could not be written has raised an error in `write` already.
        with suppress(OSError):
            self._file.close()
        if self._events:
            self._events.close()


def read_metrics(path: Path) -> list[dict]:
    """Reads the points of a `metrics.jsonl`; a last line cut off by a crash is left out.

    Raises:
        UserError: if another line is damaged.
    """
    if not Path(path).exists():
        return []
    points = []
    *whole, _ = read_plain(Path(path), MAX_FILE).split(b"\n")
    for number, line in enumerate(whole, start=1):
        try:
            points.append(json.loads(line))
            if not isinstance(points[-1], dict) or type(points[-1].get("step")) is not int:
                raise ValueError
        except (ValueError, RecursionError):
            raise UserError(f"{path}, line {number}: damaged; repair it, or remove the run's folder") from None
    return points


_EVENTS, _TICK = "events.out.tfevents.", 2e-6


def _last_stamp(directory: Path) -> float:
    """Returns the largest time in the names of a run's event files; 0 if there are none."""
    found = (re.match(r"\d+\.\d+", path.name.removeprefix(_EVENTS)) for path in directory.glob(f"{_EVENTS}*"))
    return max((float(stamp[0]) for stamp in found if stamp), default=0.0)


class _Events:
    """Writes TensorBoard scalars without TensorFlow.

    The package's `EventFileWriter` is not used: it writes from a thread, up to two minutes later, and hangs if the disk
    cannot be written.
    """

    def __init__(self, directory, first_step):
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        # TensorBoard reads the files of a run in the order of their names, and takes back what came before a start that
        # it reads later: a clock that was set back must not put this file before the others.
        self._now = max(time.time(), _last_stamp(directory) + _TICK)
        self._path = directory / f"{_EVENTS}{self._now:017.6f}.{socket.gethostname()}.{os.getpid()}"
        with refusals_named(self._path):
            directory.mkdir(parents=True, exist_ok=True)
            self._writer = RecordWriter(open(self._path, "wb"))  # noqa: SIM115  closed in close()
        self._add(Event(wall_time=self._now, file_version="brain.Event:2"))
        # Tells TensorBoard to discard points that an interrupted run logged beyond this step.
        self._add(Event(step=first_step + 1, session_log=SessionLog(status=SessionLog.START)))

    def write(self, step, values):
        summary = self._summary(value=[self._summary.Value(tag=t, simple_value=v) for t, v in values.items()])
        self._now = max(time.time(), self._now)
        self._add(self._event(wall_time=self._now, step=step, summary=summary))

    def close(self):
        with suppress(OSError):
            self._writer.close()

    def _add(self, event):
        with refusals_named(self._path):
            self._writer.write(event.SerializeToString())
            self._writer.flush()
