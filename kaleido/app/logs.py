"""The curves of a run: `metrics.jsonl`, and the same as TensorBoard events."""

import json
import time
from pathlib import Path

from kaleido.atomic import write_atomically


class MetricsLog:
    """Appends points of the curves; after a resume no step is missing and none stands twice.

    Args:
        directory: The run's folder.
        first_step: Points after this step, left by an interrupted run, are dropped: they will be made again.
        tensorboard: Also write events into `directory/tensorboard`.
    """

    def __init__(self, directory: Path, first_step: int, tensorboard: bool = True):
        self.path = Path(directory) / "metrics.jsonl"
        kept = [point for point in read_metrics(self.path) if point["step"] <= first_step]
        write_atomically(self.path, "".join(json.dumps(point) + "\n" for point in kept).encode())
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115  closed in close()
        self._events = _Events(Path(directory) / "tensorboard", first_step) if tensorboard else None

    def write(self, step: int, values: dict[str, float]) -> None:
        """Adds one point: values by tag, for example `loss/mlm`."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        if self._events:
            self._events.write(step, values)

    def close(self) -> None:
        """Flushes and closes the files."""
        self._file.close()
        if self._events:
            self._events.close()


def read_metrics(path: Path) -> list[dict]:
    """The points of a `metrics.jsonl`; a last line cut off by a crash is left out."""
    if not Path(path).exists():
        return []
    points = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            points.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return points


class _Events:
    """TensorBoard scalars through tensorboard's own writer, which does not need TensorFlow."""

    def __init__(self, directory, first_step):
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(directory))
        # Tells TensorBoard to forget what an interrupted run logged beyond this step.
        self._writer.add_event(Event(step=first_step + 1, session_log=SessionLog(status=SessionLog.START)))

    def write(self, step, values):
        summary = self._summary(value=[self._summary.Value(tag=t, simple_value=v) for t, v in values.items()])
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))

    def close(self):
        self._writer.close()
