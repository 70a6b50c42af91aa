"""Kills the real commands at random moments, starts them again, and compares what they leave with undisturbed runs.

    python tests/campaigns/crashes.py --kills 100 --seed 0 --out crashes.json

Every stage runs once undisturbed as the reference. A trial then runs a stage in a folder of its own, where it is

- killed (SIGKILL to the whole process group) after a random time,
- killed right before a random one of its file operations, those at the end more often,
- orphaned: only the parent of several processes is killed,
- or asked to leave by SIGTERM or SIGINT,

one to three times in a row, and run to its end. After each kill every file under a final name has to be sound, and at
the end everything has to be as the reference is, byte for byte. Left out of the comparison is only what depends on the
clock or on how often a run was started: `examples_per_second`, and the names and number of the TensorBoard event files,
of which the points are compared. A run that was asked to leave has checkpoints at other steps than the reference.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from crash_checks import differences, unsound  # noqa: E402
from shop import write_shop  # noqa: E402

STAGES = {"generate": 4, "import": 2, "prepare": 5, "pretrain": 7}
"""In the order of the road, with how often each is disturbed relative to the others."""

MODES = ("time", "operation", "operation", "orphan", "SIGTERM", "SIGINT")
MISSED = " (too late)"
HANG_SECONDS = 300
LEAVE_SECONDS = 30
"""Within which a process that is asked to leave has to be gone, on a busy machine and in the first, slowest step."""
ORPHAN_SECONDS = 60
"""Within which idle processes have to be gone whose parent was killed."""

LAUNCHER = """
import atexit, os, runpy, signal, sys
kill_at, counts, sys.argv = int(sys.argv[1]), sys.argv[2], ["kaleido", *sys.argv[3:]]
place, done = os.path.abspath("out"), 0
def before(event, args):
    global done
    if event == "open":
        counted = isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR)
    else:
        counted = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir")
    if counted and (os.path.abspath(args[0]).startswith(place) or event in ("os.remove", "os.rmdir") and args[1] >= 0):
        done += 1
        if done == kill_at:
            os.killpg(0, signal.SIGKILL)
sys.addaudithook(before)
atexit.register(lambda: print(done, file=open(counts, "w")))
runpy.run_module("kaleido", run_name="__main__", alter_sys=True)
"""
"""Counts the operations that change files of the output, and dies right before one of them."""


@dataclass
class Trial:
    """One stage in a folder of its own, and what befell it."""

    stage: str
    folder: Path
    random: random.Random
    kills: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    @property
    def hits(self) -> list[str]:
        """The kills that came before the end."""
        return [kill for kill in self.kills if MISSED not in kill]


class Campaign:
    """The references, and the trials that are measured against them."""

    def __init__(self, work: Path):
        self.work = work
        self.seconds: dict[str, float] = {}
        self.operations: dict[str, int] = {}

    def make_references(self) -> None:
        for stage in STAGES:
            folder = self.work / "reference" / stage
            folder.mkdir(parents=True)
            if stage == "import":
                write_shop(self._reference("generate"), self.work / "shop")
            started = time.monotonic()
            counts = folder / "operations"
            code, output = _finish(
                _start(folder, [sys.executable, "-c", LAUNCHER, "0", str(counts), *self._verb(stage)])
            )
            if code:
                raise SystemExit(f"the undisturbed {stage} failed: {output}")
            self.seconds[stage] = time.monotonic() - started
            self.operations[stage] = int(counts.read_text())
            print(f"{stage}: {self.seconds[stage]:.1f} s, {self.operations[stage]} file operations", flush=True)

    def run(self, stage: str, number: int, seed: int, kills: int) -> Trial:
        folder = self.work / f"trial-{number:04d}-{stage}"
        folder.mkdir()
        trial = Trial(stage, folder, random.Random(f"{seed}/{number}"))
        try:
            for _ in range(kills):
                self._disturb(trial)
                trial.losses += unsound(stage, folder, self._reference(stage))
            code, output = _finish(_start(folder, [*PYTHON, *self._verb(stage)]))
            if code or "Traceback" in output or "warning" in output:
                trial.losses.append(f"the rerun ended with {code}: {output[-2000:]}")
            asked_to_leave = any(kill.startswith("SIG") for kill in trial.kills)
            trial.losses += differences(stage, folder, self._reference(stage), asked_to_leave)
        except Exception as error:
            trial.losses.append(f"{type(error).__name__}: {error}")
        print(
            f"{number:4} {stage:8} {', '.join(trial.kills)}{''.join(f'{chr(10)}  LOST {x}' for x in trial.losses)}",
            flush=True,
        )
        if not trial.losses:
            shutil.rmtree(folder)
        return trial

    def _verb(self, stage: str, workers: int = 1) -> list[str]:
        match stage:
            case "generate":
                verb = ["catalog", "generate", "--out=out", "--products=224", "--photo-size=48", f"--workers={workers}"]
            case "import":
                verb = ["catalog", "import", "folder", str(self.work / "shop"), "--out=out", "--on-error=skip"]
            case "prepare":
                verb = ["prepare", f"--catalog={self._reference('import')}", "--out=out"]
                section = {"backbone": "random", "vocabulary_size": 300, "shard_photos": 24, "validation_fraction": 0.2}
                verb += [f"--prepare_config.{key}={value}" for key, value in section.items()]
            case "pretrain":
                verb = ["pretrain", f"--records={self._reference('prepare')}", "--out=out"]
                # Batches of one length are traced once.
                verb += ["--evaluate_config.every=8", "--preprocess_config.max_text_length=16"]
                model = {"size": "tiny", "num_layers": 1, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64}
                train = {"batch_size": 8, "steps": 40, "log_every": 4, "save_every": 3, "deterministic": "true"}
                verb += [f"--model_config.{key}={value}" for key, value in model.items()]
                verb += [f"--train_config.{key}={value}" for key, value in train.items()]
        return verb

    def _reference(self, stage: str) -> Path:
        return self.work / "reference" / stage / "out"

    def _disturb(self, trial: Trial) -> None:
        """Starts the stage and stops it somewhere."""
        choice, stage = trial.random, trial.stage
        mode = choice.choice(MODES)
        if mode == "orphan" and stage != "generate":  # The others have no processes of their own.
            mode = "time"
        if mode == "operation":
            whole = self.operations[stage]
            kill_at = whole - choice.randrange(min(40, whole)) if choice.random() < 0.5 else choice.randint(1, whole)
            trial.kills.append(f"before operation {kill_at} of {whole}")
            counts = trial.folder / "operations"
            command = [sys.executable, "-c", LAUNCHER, str(kill_at), str(counts), *self._verb(stage)]
            code, output = _finish(_start(trial.folder, command))
            counts.unlink(missing_ok=True)
            if code == 0:
                trial.kills[-1] += MISSED
            if code not in (0, -signal.SIGKILL) or "Traceback" in output:
                trial.losses.append(f"ended with {code} before it was killed: {output[-2000:]}")
            return
        moment = choice.uniform(0.3 if mode.startswith("SIG") else 0, self.seconds[stage])
        trial.kills.append(f"{mode} after {moment:.2f} s")
        process = _start(trial.folder, [*PYTHON, *self._verb(stage, 2 if mode == "orphan" else choice.choice((1, 2)))])
        time.sleep(moment)
        if process.poll() is not None:
            trial.kills[-1] += MISSED
        elif mode == "time":
            os.killpg(process.pid, signal.SIGKILL)
            _finish(process)
        elif mode == "orphan":
            self._orphan(trial, process)
        else:
            _ask_to_leave(trial, process, signal.Signals[mode])

    def _orphan(self, trial: Trial, process: subprocess.Popen) -> None:
        """Kills the parent alone, and starts the same again while its processes may still be at work."""
        process.kill()
        process.wait()
        code, output = _finish(_start(trial.folder, [*PYTHON, *self._verb(trial.stage, 2)]))
        if code:
            trial.losses.append(f"the rerun beside orphans ended with {code}: {output[-2000:]}")
        deadline = time.monotonic() + ORPHAN_SECONDS
        while _members(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        if left := _members(process.pid):
            trial.losses.append(f"orphans are left: {left}")


PYTHON = [sys.executable, "-m", "kaleido"]


def _start(folder: Path, command: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        process.output = os.fdopen(os.dup(output.fileno()), "r", errors="replace")
    return process


def _finish(process: subprocess.Popen) -> tuple[int, str]:
    """Waits for the end; exit code and everything printed."""
    try:
        code = process.wait(HANG_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    process.output.seek(0)
    return code, process.output.read()


def _ask_to_leave(trial: Trial, process: subprocess.Popen, number: signal.Signals) -> None:
    """Sends a signal as `kill` and Ctrl-C do; the process has to leave soon, with one line."""
    (os.kill if number == signal.SIGTERM else os.killpg)(process.pid, number)
    started = time.monotonic()
    code, output = _finish(process)
    took = time.monotonic() - started
    lines = [line for line in output.splitlines() if "interrupted" in line or "stopped after step" in line]
    # Python itself may not be far enough to catch anything, or nearly gone; a KeyboardInterrupt within an `exec` makes
    # it die of SIGINT in the end, even though it was caught.
    in_order = code in (0, -number) or (code in (128 + number, -signal.SIGINT) and len(lines) == 1)
    if not in_order or "Traceback" in output or took > LEAVE_SECONDS:
        trial.losses.append(f"asked to leave, ended with {code} after {took:.1f} s: {output[-2000:]}")


def _members(group: int) -> list[int]:
    found = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in found.splitlines())
    return [int(pid) for pid, of, state in rows if int(of) == group and not state.startswith("Z")]


def run_campaign(kills: int, seed: int, work: Path, jobs: int = 2) -> list[Trial]:
    """Runs trials until they were disturbed `kills` times; what befalls trial number n is given by the seed and n."""
    campaign = Campaign(work)
    campaign.make_references()
    trials: list[Trial] = []
    numbers = itertools.count()

    def work_off() -> None:
        while sum(len(trial.hits) for trial in trials) < kills:
            number = next(numbers)
            choice = random.Random(f"{seed}, {number}")
            drawn = choice.choices(list(STAGES), list(STAGES.values()))[0]
            stage = list(STAGES)[number] if number < len(STAGES) else drawn
            trials.append(campaign.run(stage, number, seed, choice.choice((1, 1, 2, 3))))

    with ThreadPoolExecutor(jobs) as pool:
        for worker in [pool.submit(work_off) for _ in range(jobs)]:
            worker.result()
    return trials


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="trials at a time (%(default)s)")
    parser.add_argument("--work", type=Path, help="a new folder to work in; by default one that goes at the end")
    parser.add_argument("--out", type=Path, help="JSON with every trial")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        trials = run_campaign(args.kills, args.seed, (args.work or Path(scratch)).resolve(), args.jobs)
    rows = {stage: [trial for trial in trials if trial.stage == stage] for stage in STAGES}
    print(f"{'stage':10}{'trials':>8}{'kills':>8}{'lost':>8}  how")
    for stage, of_stage in rows.items():
        how = Counter(kill.split()[0] for trial in of_stage for kill in trial.hits)
        lost = sum(bool(trial.losses) for trial in of_stage)
        modes = ", ".join(f"{mode} {count}" for mode, count in sorted(how.items()))
        print(f"{stage:10}{len(of_stage):8}{how.total():8}{lost:8}  {modes}")
    if args.out:
        results = [{"stage": t.stage, "kills": t.kills, "losses": t.losses} for t in trials]
        args.out.write_text(json.dumps({"seed": args.seed, "trials": results}, indent=1) + "\n", encoding="utf-8")
    return int(any(trial.losses for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
