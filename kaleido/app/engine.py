"""Training loop without a framework: data, clock, logs, evaluation, checkpoints and signals around a step."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from kaleido.app.checkpoints import Checkpoint, CheckpointStore, CheckpointWriter
from kaleido.app.config import TrainConfig
from kaleido.app.logs import MetricsLog
from kaleido.app.step import Step
from kaleido.errors import UserError
from kaleido.interruption import Interrupted, notice_signal
from kaleido.progress import tqdm
from kaleido.records.stream import BatchStream
from kaleido.untrusted import Finite, Text, checked


class _State(TypedDict):
    data: Text
    window: list[list[Finite]]
    best: Finite | None
    open: bool


Evaluation = Callable[[Callable[[], bool]], dict[str, float] | None]
"""Function that returns validation metrics by tag, `loss/total` among them; None if its argument returned True."""


class NotFinite(UserError):
    """Raised when a loss is no longer a finite number."""


class Engine:
    """Trains a step on a pipeline, from the latest checkpoint of a run's folder if there is one.

    Among several workers, all read the folder and only the chief writes.

    Args:
        step: Model, optimizer and devices.
        directory: Folder of the run.
        config: Configuration of logging, checkpoints and batch size.
        total_steps: Step after which training ends.
        data: Fingerprint of the training data; a run resumes with the same data only.
        description: Label of the progress bar.
    """

    def __init__(
        self,
        step: Step,
        directory: Path,
        config: TrainConfig,
        total_steps: int,
        data: str = "",
        description: str = "pre-train",
    ):
        self.step = step
        self.directory = Path(directory)
        self.config = config
        self.total_steps = total_steps
        self.data = data
        self.description = description
        self.checkpoints = CheckpointStore(self.directory / "checkpoints", config.keep_checkpoints)
        self._writer = CheckpointWriter(self.checkpoints)
        self._done = 0
        # Metrics since the last logged point, and steps whose metrics are not fetched yet: fetching them at every step
        # would leave the device idle while the host prepares the next batch.
        self._window: list[np.ndarray] = []
        self._pending: list = []
        # Whether the point of step `_done` is logged only after the next step was given to the device.
        self._point_due = False
        self._best: float | None = None
        # Whether the log and the evaluation due after step `_done` are still to be done.
        self._open = False
        self._stop_signal = 0
        self._vote = None

    def train(
        self, pipeline: BatchStream, evaluate: Evaluation | None = None, evaluate_every: int = 0
    ) -> dict[str, float] | None:
        """Trains to the last step.

        Args:
            pipeline: Endless training batches; batch number s is the same whenever it is asked for.
            evaluate: Function that evaluates the current model.
            evaluate_every: Steps between two evaluations; there is always one at the end.

        Returns:
            Validation metrics of the last step; None without `evaluate`.

        Raises:
            Interrupted: after SIGTERM or SIGINT.
            UserError: when a loss is no longer finite, a checkpoint cannot be written, or another worker is lost.
        """
        with self.step.together():
            return self._train(pipeline, evaluate, evaluate_every)

    def _train(self, pipeline, evaluate, evaluate_every):
        self._restore()
        chief = self.step.cluster.is_chief
        log = MetricsLog(self.directory, self._done - self._open, self.config.tensorboard) if chief else None
        progress = tqdm(
            total=self.total_steps,
            initial=self._done,
            desc=self.description,
            unit="step",
            dynamic_ncols=True,
            disable=not chief,
        )
        validation = None
        self._clock, self._clock_step = time.monotonic(), self._done
        with self._signals(), self._writer:
            try:
                if self._open:
                    validation = self._close_step(log, progress, evaluate, evaluate_every)
                for batch in pipeline.iterate(self._done, self.total_steps):
                    self._pending.append(self.step.train(batch))
                    self._writer.check()
                    if self._point_due:
                        self._fetch(leave=1)
                        self._write(log, self._training_point(progress))
                    self._done += 1
                    progress.update()
                    validation = self._close_step(log, progress, evaluate, evaluate_every)
            finally:
                progress.close()
                if log:
                    log.close()
        self.step.update_model()
        if evaluate is not None and validation is None:
            # All steps had been done before, so the metrics are at most in the log.
            validation = evaluate(lambda: False)
        return validation

    @property
    def finished(self) -> bool:
        """Tells whether the last step was done."""
        return self._done >= self.total_steps

    def _close_step(self, log, progress, evaluate, evaluate_every):
        """Logs, evaluates and saves as due after a step; returns the validation metrics if there was an evaluation."""
        stop = self._stop_agreed()
        last = self._done == self.total_steps
        log_due = self._done % self.config.log_every == 0 or last
        evaluation_due = evaluate is not None and (last or (evaluate_every and self._done % evaluate_every == 0))
        save_due = self._done % self.config.save_every == 0 or last
        self._point_due = log_due and not (evaluation_due or save_due or stop)
        if self._point_due:
            return None
        if log_due or evaluation_due or save_due or stop:
            self._fetch()
        values, validation, improved = {}, None, False
        if evaluation_due and not stop:
            # Several workers stop together, which they can agree on only between two steps.
            alone = self.step.cluster.workers == 1
            self.step.update_model()
            validation = evaluate(lambda: self._asked_to_stop() and alone)
            stop = stop or validation is None
        self._open = evaluation_due and validation is None
        if validation is not None:
            values = {f"validation/{tag}": value for tag, value in validation.items()}
            improved = self._best is None or validation["loss/total"] < self._best
            self._best = validation["loss/total"] if improved else self._best
        if log_due and not self._open:
            values |= self._training_point(progress)
        self._write(log, values)
        if save_due or improved or stop:
            self._save(improved)
        if stop:
            self._writer.wait()
            raise Interrupted(self._done, self._stop_signal or signal.SIGTERM)
        return validation

    def _restore(self):
        checkpoint, problems = self.checkpoints.load_latest()
        for problem in problems:
            tqdm.write(f"warning: {problem}")
        if checkpoint is not None:
            self._go_on_from(checkpoint)
        steps = np.zeros(self.step.cluster.workers, np.float32)
        steps[self.step.cluster.rank] = self._done
        steps = np.asarray(self.step.sum_over_workers(steps))
        if (steps != self._done).any():
            raise UserError(
                f"{self.checkpoints.directory}: the workers found different checkpoints; the run's folder must lie on "
                f"a disk that all of them see. Received: steps {', '.join(f'{step:.0f}' for step in steps)}"
            )

    def _go_on_from(self, checkpoint):
        state = checked(_State, checkpoint.state, f"{self.directory}: the state of checkpoint {checkpoint.step}")
        if {len(point) for point in state["window"]} - {len(self.step.application.metric_tags) + 1}:
            raise UserError(f"{self.directory}: the checkpoint does not match the model: it has other metrics")
        if state["data"] != self.data:
            raise UserError(
                f"{self.directory}: this run was trained on other records than those that are there now; name another "
                f"output folder, or remove this one. Received: {self.data}, before {state['data']}"
            )
        self.step.load_arrays(checkpoint.arrays)
        self._done = checkpoint.step
        if self._done < self.total_steps and self.step.cluster.is_chief:
            tqdm.write(f"going on from step {self._done}")
        self._window = [np.array(point) for point in state["window"]]
        self._best, self._open = state["best"], state["open"]

    def _save(self, improved):
        if not self.step.cluster.is_chief:
            return
        window = [point.tolist() for point in self._window]
        state = {"data": self.data, "window": window, "best": self._best, "open": self._open}
        self._writer.save(lambda: Checkpoint(self._done, self.step.arrays(), state), best=improved)

    def _fetch(self, leave: int = 0) -> None:
        """Waits for the metrics of the steps not fetched yet, but for the last `leave`."""
        count = len(self._pending) - leave
        points, self._pending = [self.step.fetch(handle) for handle in self._pending[:count]], self._pending[count:]
        tags = (*self.step.application.metric_tags, "gradient_norm")
        for number, point in enumerate(points, start=self._done - len(points) + 1):
            wrong = [tag for tag, value in zip(tags, point) if not np.isfinite(value)]
            if wrong:
                self._writer.wait()
                saved = self.checkpoints.steps()
                good = f"the last good checkpoint is step {saved[-1]}" if saved else "there is no checkpoint before it"
                raise NotFinite(
                    f"step {number}: {', '.join(wrong)} is not finite; {good}; lower "
                    "train_config.optimizer_config.learning_rate or check the records"
                )
        self._window += points

    def _training_point(self, progress):
        """Returns the point of the steps fetched since the last one."""
        mean = np.mean(self._window, axis=0)
        tags = self.step.application.metric_tags
        values = self.step.application.summarize(dict(zip(tags, mean[:-1].tolist())))
        values |= {"gradient_norm": float(mean[-1]), "learning_rate": self.step.learning_rate(self._done)}
        # There are none if the previous process left this point open.
        if steps := self._done - self._clock_step:
            values["examples_per_second"] = steps * self.config.batch_size / (time.monotonic() - self._clock)
        progress.set_postfix_str(f"loss {values['loss/total']:.3f}")
        self._window = []
        return values

    def _write(self, log, values):
        if not values:
            return
        if log:
            log.write(self._done, values)
        self._clock, self._clock_step = time.monotonic(), self._done

    def _stop_agreed(self) -> bool:
        """Tells whether to stop after this step; several workers must stop after the same one."""
        asked = self._asked_to_stop()
        if self.step.cluster.workers == 1:
            return asked
        # The result of the previous step's vote: this step's is not ready yet.
        previous, self._vote = self._vote, self.step.sum_over_workers(np.array(asked, np.float32))
        return previous is not None and float(np.asarray(previous)) > 0

    def _asked_to_stop(self) -> bool:
        """Tells whether a signal has come; it is noticed as such between two steps or batches, which may be stuck."""
        if self._stop_signal:
            notice_signal()
        return bool(self._stop_signal)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Records the first SIGTERM or Ctrl-C, to stop after the step; a second one is no longer caught."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous: dict[int, Any] = {}

        def restore():
            for number, handler in previous.items():
                signal.signal(number, handler)

        def stop(number, frame):
            self._stop_signal = number
            restore()

        previous.update({number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)})
        try:
            yield
        finally:
            restore()


def evaluate(
    step: Step, pipeline: BatchStream, description: str = "evaluate", stop: Callable[[], bool] = lambda: False
) -> dict[str, float] | None:
    """Computes the means of the application's metrics over all examples of a pipeline, by tag.

    Several workers take turns with the batches.

    Args:
        step: Model and devices.
        pipeline: Batches of evaluation, each whole.
        description: Label of the progress bar.
        stop: Function called before every batch; if it returns True, there is no result.
    """
    application, cluster = step.application, step.cluster
    sums = np.zeros((len(application.metric_tags), 2))
    batches = tqdm(
        pipeline.iterate(cluster.rank, stride=cluster.workers),
        total=-(-(pipeline.evaluation_steps - cluster.rank) // cluster.workers),
        desc=description,
        unit="batch",
        leave=False,
        disable=not cluster.is_chief,
    )
    for batch in batches:
        if stop():
            return None
        sums += step.evaluate(batch)
    sums = np.asarray(step.sum_over_workers(sums), np.float64)
    means = sums[:, 0] / np.maximum(sums[:, 1], 1e-5)
    return application.summarize(dict(zip(application.metric_tags, means.tolist())))
