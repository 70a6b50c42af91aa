"""Makes the stages of experiments, one after another, for `kaleido/experiments/runner.py`, which starts it.

It reads one JSON object a line from standard input and answers with one on standard output. What the commands print
goes into the stage's `log.txt`. When its input ends, the runner is gone: it saves its state and exits.
"""

import importlib
import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kaleido.atomic import write_atomically
from kaleido.experiments.ledger import DONE_FILE, FAILED_FILE, LOG_FILE, STAGE_FILE
from kaleido.interruption import leave, obey_termination, signal_of
from kaleido.locks import Locked, locked
from kaleido.terminal import output_to

FAILED = 1


def main() -> int:
    """Serves until its input ends."""
    answers = os.fdopen(os.dup(1), "w")
    obey_termination()
    requests: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(requests, busy), daemon=True).start()
    while (line := requests.get()) is not None:
        busy.set()
        answer = _answer(json.loads(line))
        busy.clear()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if answer.get("code", 0) > 128:
            return answer["code"]
        _reset()
    return 0


def _listen(requests: queue.SimpleQueue, busy: threading.Event) -> None:
    for line in sys.stdin:
        requests.put(line)
    requests.put(None)
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    folder = Path(request["folder"])
    try:
        with locked(Path(request["lock"]), folder):
            if all((folder / name).is_file() for name in (DONE_FILE, *request["results"])):
                return {"code": 0, "seconds": 0.0}
            return _make(folder, request)
    except Locked as error:
        return {"locked": error.holder}


def _make(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILED_FILE).unlink(missing_ok=True)
    _note(folder / STAGE_FILE, request["about"])
    begun, took = time.monotonic(), {}
    with open(folder / LOG_FILE, "ab", buffering=0) as log, output_to(log.fileno()):
        for command in request["commands"]:
            arguments = list(command["arguments"])
            if command["config"] is not None:
                path = folder / f"{command['subcommand']}.yaml"
                write_atomically(path, yaml.safe_dump(command["config"], sort_keys=False).encode())
                arguments += ["--config", str(path)]
            print(f"\n$ kaleido {' '.join([command['subcommand'], *arguments])}", flush=True)
            started = time.monotonic()
            code = _run(command["subcommand"], arguments)
            took[command["subcommand"]] = round(time.monotonic() - started, 2)
            if code:
                break
        absent = [] if code else [name for name in request["results"] if not (folder / name).is_file()]
        if absent:
            print(f"{folder / absent[0]} was not written", flush=True)
            code = FAILED
    seconds = round(time.monotonic() - begun, 2)
    if code:
        if code < 128:
            _note(folder / FAILED_FILE, {"code": code, "subcommand": command["subcommand"], "log": LOG_FILE})
        return {"code": code, "seconds": seconds, "subcommand": command["subcommand"]}
    done = {key: request[key] for key in ("kind", "label", "unit", "units", "results")}
    _note(folder / DONE_FILE, {**done, "seconds": seconds, "subcommands": took, "environment": _environment()})
    for name in request["passing"]:
        shutil.rmtree(folder / name, ignore_errors=True)
    return {"code": 0, "seconds": seconds}


def _run(subcommand: str, arguments: list[str]) -> int:
    try:
        # By name: the command line knows the experiments, not the other way round.
        code = importlib.import_module("kaleido.__main__").main([subcommand, *arguments])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else FAILED
    except Exception:
        traceback.print_exc()
        code = FAILED
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _note(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=1).encode() + b"\n")


def _environment() -> dict[str, Any]:
    """Describes the machine, if Keras is loaded."""
    found: dict[str, Any] = {}
    if keras := sys.modules.get("keras"):
        from kaleido.backend import accelerators
        from kaleido.bench.machine import device, environment

        found = {**environment(), "backend": keras.backend.backend(), "device": device(), "devices": accelerators()}
    return found


def _reset() -> None:
    """Resets Keras for the next stage: names are numbered from the start, and the dtype is float32."""
    if keras := sys.modules.get("keras"):
        keras.backend.clear_session()
        keras.config.set_dtype_policy("float32")


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt as interruption:
        code = 128 + signal_of(interruption)
    leave(code)
