"""Runs stages one after another; several runners may share a folder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kaleido import configuration, plugins
from kaleido.cluster import Cluster
from kaleido.experiments import kinds
from kaleido.experiments.estimate import duration
from kaleido.experiments.ledger import FAILED_FILE, LOG_FILE, is_done
from kaleido.experiments.plan import Run
from kaleido.experiments.preset import Preset
from kaleido.experiments.stage import Stage

WORKER = "kaleido.experiments.worker"
LOCKS = "locks"
PAUSE = 2.0
"""Seconds between two checks of the stages that other runners are making."""


class Worker:
    """Process that runs stages; it exits when its parent is gone."""

    def __init__(self):
        # In a process group of its own: Ctrl-C reaches only the parent, which then tells the worker to save.
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "KALEIDO_IMPORT": " ".join(plugins.imported)},
        )

    def make(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Requests a stage and waits for the answer; if the worker dies, the answer has its exit code."""
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        code = self._process.wait()
        return {"code": code if code > 0 else 128 - code, "died": True}

    def stop(self) -> None:
        """Tells the worker to save and exit, and waits."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self.close()

    def close(self) -> None:
        """Lets the worker finish its stage and exit."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    @property
    def alive(self) -> bool:
        """Tells whether the worker is running."""
        return self._process.poll() is None


class Runner:
    """Runs the unfinished stages of some runs.

    Args:
        preset: Preset of the runs.
        runs: Folder of the runs.
        cluster: Cluster whose nodes run the stages, several at a time; None for a process on this machine.
    """

    def __init__(self, preset: Preset, runs: Path, cluster: Cluster | None = None):
        self._preset = preset
        self._runs = runs
        self._cluster = cluster
        self._worker: Worker | None = None

    def run(self, stages: list[Stage]) -> list[Stage]:
        """Runs the unfinished stages.

        Args:
            stages: Stages, each after its inputs.

        Returns:
            Stages that failed, and those that depend on them.
        """
        waiting = [stage for stage in stages if not is_done(stage)]
        there = len(stages) - len(waiting)
        if there:
            print(f"{there} of {len(stages)} stages are done", flush=True)
        failed: dict[str, Stage] = {}
        if self._cluster:
            self._run_on_cluster(self._cluster, waiting, failed, len(stages))
            return list(failed.values())
        try:
            while waiting:
                waiting = self._pass(waiting, failed, len(stages))
        except KeyboardInterrupt:
            if self._worker:
                print("\nstopping; the state of the current stage is saved", flush=True)
                self._worker.stop()
            raise
        finally:
            if self._worker and self._worker.alive:
                self._worker.close()
        return list(failed.values())

    def _pass(self, waiting: list[Stage], failed: dict[str, Stage], count: int) -> list[Stage]:
        """Runs the stages whose inputs are done; returns those that other runners make, and their dependants."""
        left, locked = [], ""
        for place, stage in enumerate(waiting):
            if any(given.key in failed for given in stage.inputs):
                failed[stage.key] = stage
                continue
            if any(not is_done(given) for given in stage.inputs):
                left.append(stage)
                continue
            number = count - len(waiting) + place + 1
            answer = self._make(stage, f"[{number}/{count}]")
            if holder := answer.get("locked"):
                locked = f"{stage.name} is being made by {holder}"
                left.append(stage)
            elif answer["code"]:
                failed[stage.key] = stage
        if left and len(left) == len(waiting):
            self._tell_waiting(locked)
        return left

    def _run_on_cluster(self, cluster: Cluster, waiting: list[Stage], failed: dict[str, Stage], count: int) -> None:
        """Gives each stage to the cluster once its inputs are done."""
        requests: deque[tuple[str, Mapping[str, Any]]] = deque()
        running: dict[str, Stage] = {}
        done = {given.key for stage in waiting for given in stage.inputs} - {stage.key for stage in waiting}
        left = list(waiting)

        def give() -> None:
            for stage in list(left):
                if any(given.key in failed for given in stage.inputs):
                    failed[stage.key] = stage
                elif any(given.key not in done for given in stage.inputs):
                    continue
                else:
                    running[stage.key] = stage
                    requests.append((stage.key, self._request(stage)))
                left.remove(stage)

        give()
        for key, answer in cluster.map(_make_here, None, requests):
            stage = running[key]
            if holder := answer.get("locked"):
                self._tell_waiting(f"{stage.name} is being made by {holder}")
                requests.append((key, self._request(stage)))
                continue
            number = f"[{count - len(left) - len(running) + 1}/{count}]"
            del running[key]
            self._tell(stage, number, answer)
            if answer["code"]:
                failed[key] = stage
            else:
                done.add(key)
            give()

    _last_notice = ""

    def _tell_waiting(self, notice: str) -> None:
        """Says once what is waited for, and waits a moment."""
        if notice != self._last_notice:
            print(f"waiting: {notice}", flush=True)
        self._last_notice = notice
        time.sleep(PAUSE)

    def _request(self, stage: Stage) -> dict[str, Any]:
        return request_of(stage, self._runs, self._preset.keep_finetuned)

    def _make(self, stage: Stage, number: str) -> dict[str, Any]:
        if not self._worker or not self._worker.alive:
            self._worker = Worker()
        answer = self._worker.make(self._request(stage))
        if "locked" not in answer:
            self._tell(stage, number, answer)
            if not self._preset.share_process:
                self._worker.close()
        return answer

    def _tell(self, stage: Stage, number: str, answer: Mapping[str, Any]) -> None:
        """Tells how a stage ended."""
        head = f"{number} {stage.kind} {stage.key}, {stage.label}"
        if answer["code"] > 128 and not answer.get("died"):
            # Only a signal from outside does this; the runner stops as well.
            raise KeyboardInterrupt(answer["code"] - 128)
        if answer["code"]:
            if answer.get("died"):
                note = {"code": answer["code"], "subcommand": "", "log": LOG_FILE}
                stage.folder.mkdir(parents=True, exist_ok=True)
                (stage.folder / FAILED_FILE).write_text(json.dumps(note))
            print(f"{head}: FAILED with {answer['code']}: {last_line(stage.folder / LOG_FILE)}", flush=True)
        else:
            print(f"{head}: {duration(answer['seconds'])}", flush=True)


def _make_here(_: None, request: tuple[str, Mapping[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Makes a stage on the node that this is called on; returns its key and the answer of a worker."""
    key, content = request
    worker = Worker()
    try:
        return key, worker.make(content)
    finally:
        worker.close()


def stages_of(runs: Iterable[Run]) -> list[Stage]:
    """Lists the stages of some runs, each once and after its inputs."""
    found: dict[str, Stage] = {}
    order = kinds.stage_kinds()
    for run in runs:
        for stage in sorted(run.stages.values(), key=lambda stage: order.index(stage.kind)):
            found.setdefault(stage.key, stage)
    return list(found.values())


def different_runs(runs: Iterable[Run]) -> list[Run]:
    """Drops runs that are a part of another one, and all but one of equal ones."""
    kept: list[tuple[frozenset[str], Run]] = []
    for run in runs:
        own = frozenset(stage.key for stage in run.stages.values())
        if any(own <= other for other, _ in kept):
            continue
        kept = [(other, before) for other, before in kept if not other <= own]
        kept.append((own, run))
    return [run for _, run in kept]


def request_of(stage: Stage, runs: Path, keep_finetuned: bool) -> dict[str, Any]:
    """Describes a stage for a worker.

    Args:
        stage: Stage to make.
        runs: Folder of the runs.
        keep_finetuned: Whether fine-tuned models are kept.
    """
    trains = kinds.is_task(stage.kind)
    passing = ["run/checkpoints"] if trains or stage.kind == "pretrain" else []
    if trains and stage.kind != kinds.MATCHING and not keep_finetuned:
        passing.append("run/model")
    return {
        "folder": str(stage.folder),
        "lock": str(runs / LOCKS / f"{stage.name}.lock"),
        "kind": stage.kind,
        "label": stage.label,
        "unit": stage.unit,
        "units": stage.units,
        "results": list(stage.results),
        "about": dict(stage.about),
        "passing": passing,
        "commands": [
            {
                "subcommand": command.subcommand,
                "arguments": list(command.arguments),
                "config": None if command.config is None else configuration.to_dict(command.config),
            }
            for command in stage.commands
        ],
    }


def last_line(log: Path) -> str:
    """Reads the last line of a log, for display."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").replace("\r", "\n").split("\n")
    except OSError:
        return f"no log in {log.parent}"
    filled = [line.strip() for line in lines if line.strip()]
    return f"{filled[-1][:200] if filled else 'the log is empty'} ({os.path.relpath(log)})"
