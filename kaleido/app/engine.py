"""The training loop. It knows no framework: data, clock, logs, evaluation, checkpoints and signals around a step."""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from kaleido.app.checkpoints import Checkpoint, CheckpointStore
from kaleido.app.config import TrainConfig
from kaleido.app.logs import MetricsLog
from kaleido.app.step import Step
from kaleido.errors import UserError
from kaleido.records.pipeline import Pipeline


class Interrupted(Exception):
    """SIGTERM or Ctrl-C: the state was saved, and the same command goes on from there.

    Attributes:
        signal_number: Which signal.
    """

    def __init__(self, step: int, signal_number: int):
        super().__init__(f"stopped after step {step} and saved; the same command goes on from there")
        self.signal_number = signal_number


class Engine:
    """Trains a step on a pipeline, from the latest checkpoint of a run's folder if there is one.

    Args:
        step: Model, optimizer and devices.
        directory: The run's folder.
        config: Logging, checkpoints, batch size.
        total_steps: Where to stop.
    """

    def __init__(self, step: Step, directory: Path, config: TrainConfig, total_steps: int):
        self.step = step
        self.directory = Path(directory)
        self.config = config
        self.total_steps = total_steps
        self.checkpoints = CheckpointStore(self.directory / "checkpoints", config.keep_checkpoints)
        self._stop_signal = 0

    def train(
        self,
        pipeline: Pipeline,
        evaluate: Callable[[], dict[str, float]] | None = None,
        evaluate_every: int = 0,
    ) -> None:
        """Runs to the last step.

        Args:
            pipeline: Endless training batches; batch number s is the same whenever it is asked for.
            evaluate: Gives validation metrics by tag with `loss/total` among them.
            evaluate_every: Steps between two evaluations; there is always one at the end.

        Raises:
            Interrupted: after SIGTERM or SIGINT.
            UserError: when a loss is no longer finite.
        """
        first, window, best = self._restore()
        log = MetricsLog(self.directory, first, self.config.tensorboard)
        progress = tqdm(total=self.total_steps, initial=first, desc="pre-train", unit="step", dynamic_ncols=True)
        previous_handlers = self._catch_signals()
        clock, clock_step, pending = time.monotonic(), first, []
        try:
            for step, batch in enumerate(pipeline.iterate(first, self.total_steps), start=first + 1):
                pending.append(self.step.train(batch))
                progress.update()
                values = {}
                last = step == self.total_steps
                log_due = step % self.config.log_every == 0 or last
                evaluation_due = evaluate is not None and (last or (evaluate_every and step % evaluate_every == 0))
                save_due = step % self.config.save_every == 0 or last or self._stop_signal
                # Waiting for the device at every step would leave it idle while the host prepares the next.
                if log_due or evaluation_due or save_due:
                    window += self._fetch(pending, step)
                    pending = []
                if log_due:
                    values = self._training_point(window)
                    seconds = time.monotonic() - clock
                    values["examples_per_second"] = (step - clock_step) * self.config.batch_size / seconds
                    progress.set_postfix_str(f"loss {values['loss/total']:.3f}")
                    window = []
                improved = False
                if evaluation_due:
                    validation = evaluate()
                    values |= {f"validation/{tag}": value for tag, value in validation.items()}
                    improved = best is None or validation["loss/total"] < best
                    best = validation["loss/total"] if improved else best
                if log_due or evaluation_due:
                    clock, clock_step = time.monotonic(), step
                if values:
                    log.write(step, values)
                if save_due or improved:
                    state = {"window": [point.tolist() for point in window], "best": best}
                    self.checkpoints.save(Checkpoint(step, self.step.arrays(), state), best=improved)
                if self._stop_signal:
                    raise Interrupted(step, self._stop_signal)
        finally:
            for number, handler in previous_handlers.items():
                signal.signal(number, handler)
            progress.close()
            log.close()

    def _restore(self):
        checkpoint, problems = self.checkpoints.load_latest()
        for problem in problems:
            tqdm.write(f"warning: {problem}")
        if checkpoint is None:
            return 0, [], None
        self.step.load_arrays(checkpoint.arrays)
        if checkpoint.step < self.total_steps:
            tqdm.write(f"going on from step {checkpoint.step}")
        window = [np.array(point) for point in checkpoint.state["window"]]
        best = checkpoint.state["best"]
        return checkpoint.step, window, best

    def _fetch(self, pending, step):
        points = [self.step.fetch(handle) for handle in pending]
        tags = (*self.step.application.metric_tags, "gradient_norm")
        for number, point in enumerate(points, start=step - len(points) + 1):
            wrong = [tag for tag, value in zip(tags, point) if not np.isfinite(value)]
            if wrong:
                saved = self.checkpoints.steps()
                good = f"the last good checkpoint is step {saved[-1]}" if saved else "there is no checkpoint before it"
                raise UserError(
                    f"step {number}: {', '.join(wrong)} is not finite; {good}; lower "
                    "train_config.optimizer_config.learning_rate or look at the records"
                )
        return points

    def _training_point(self, window):
        mean = np.mean(window, axis=0)
        tags = self.step.application.metric_tags
        values = self.step.application.summarize(dict(zip(tags, mean[:-1].tolist())))
        rate = float(self.step.optimizer.learning_rate)
        return {**values, "gradient_norm": float(mean[-1]), "learning_rate": rate}

    def _catch_signals(self):
        if threading.current_thread() is not threading.main_thread():
            return {}

        def stop(number, frame):
            self._stop_signal = number

        return {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}


def evaluate(step: Step, pipeline: Pipeline, description: str = "evaluate") -> dict[str, float]:
    """Means of the application's metrics over every example of a pipeline, by tag."""
    application = step.application
    sums = np.zeros((len(application.metric_tags), 2))
    batches = tqdm(pipeline.iterate(), total=pipeline.evaluation_steps, desc=description, unit="batch", leave=False)
    for batch in batches:
        sums += step.evaluate(batch)
    means = sums[:, 0] / np.maximum(sums[:, 1], 1e-5)
    return application.summarize(dict(zip(application.metric_tags, means.tolist())))
