"""Starts two commands on one place at the same moment, again and again, and looks at what they say and leave.

    python tests/campaigns/two_at_once.py --rounds 10

Of each pair one succeeds, or both do; the other says who holds the place and leaves with exit code 2. Neither shows a
traceback, and what they leave is, byte for byte, what one command alone leaves. The commands are forks of this process,
which has imported everything, so that they really begin together.
"""

import argparse
import functools
import hashlib
import http.server
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from shop import write_shop  # noqa: E402

from kaleido.__main__ import main as kaleido  # noqa: E402

FORK = multiprocessing.get_context("fork")
TOLD = "another process is writing it: process "
QUICK = {"batch_size": 4, "steps": 3, "tensorboard": False}
PRETRAIN = {
    "preprocess_config": {"max_text_length": 16},
    "model_config": {"size": "tiny", "num_layers": 1},
    "train_config": QUICK,
}
PREPARE = {"saliency": "border", "backbone": "random", "vocabulary_size": 200, "shard_photos": 4}
ALIGN = {"steps": 2, "batch_size": 4, "photos": 8, "max_text_length": 16, "hidden_size": 8}
EXPERIMENTS = {
    "title": "tried",
    "catalog": {"generate": {"products": 6, "photo-size": 32, "workers": 1}},
    "prepare": {"prepare_config": PREPARE},
    "align": {"align_config": ALIGN},
}


def options(section: str, values: dict) -> list[str]:
    values = {key: str(value).lower() if isinstance(value, bool) else value for key, value in values.items()}
    return [f"--{section}.{key}={value}" for key, value in values.items()]


class Place:
    """A folder with everything that the commands read.

    Attributes:
        commands: The commands, or functions, by kind; what they write is `out`, made of `given` of the folder.
        results: Files of the result by kind, as patterns under the folder of a round.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        shop, home = folder / "shop", folder / "wardrobe"
        generate = ["catalog", "generate", "--products=12", "--photo-size=32", "--workers=1"]
        self._alone([*generate, f"--out={home}"])
        write_shop(home, shop)
        table = [str(shop), "--on-error=skip"]
        prepare = ["prepare", f"--catalog={home}", *options("prepare_config", PREPARE)]
        self._alone([*prepare, f"--out={folder / 'records'}"])
        (folder / "pretrain.yaml").write_text(yaml.safe_dump(PRETRAIN))
        pretrain = ["pretrain", f"--config={folder / 'pretrain.yaml'}", f"--records={folder / 'records'}"]
        self._alone([*pretrain, f"--out={folder / 'pretrained'}"])
        model = f"--model={folder / 'pretrained' / 'model'}"
        tune = [*options("train_config", QUICK), "--preprocess_config.max_text_length=16"]
        tune += ["--evaluate_config.split=train", "--recognition_config.unseen=ignore"]
        finetune = ["finetune", "--task=category", f"--records={folder / 'records'}", f"--catalog={home}", model, *tune]
        (folder / "experiments").mkdir()
        (folder / "experiments" / "one.yaml").write_text(yaml.safe_dump({"stages": ["catalog"]}))
        (folder / "tried.yaml").write_text(yaml.safe_dump(EXPERIMENTS))
        experiments = ["experiments", str(folder / "tried.yaml"), f"--experiments={folder / 'experiments'}"]
        address = _served(folder / "pretrained" / "model")
        self.commands: dict[str, list[str] | Callable[[Path], None]] = {
            "generate": [*generate, "--out=OUT"],
            "import": ["catalog", "import", "folder", *table, "--out=OUT"],
            "prepare": [*prepare, "--out=OUT"],
            "align": ["align", "--records=OUT", *options("align_config", ALIGN)],
            "pretrain": [*pretrain, "--out=OUT"],
            "finetune": [*finetune, "--out=OUT"],
            "embed": ["embed", str(home), model, "--out=OUT/vectors.parquet"],
            "index": ["index", str(home), model, "--out=OUT"],
            "load": functools.partial(_load, address),
            "experiments": [*experiments, "--out=OUT"],
        }
        self.given = {"align": folder / "records"}
        self.results = {
            "pretrain": ("model/*", "metrics.json"),
            "finetune": ("model/*", "metrics.json"),
            "index": (),
            "experiments": ("stages/*/wardrobe/**/*",),
        }

    def _alone(self, command: list[str]) -> None:
        process = FORK.Process(target=_run, args=(command, self.folder, self.folder / "log.txt", None))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit((self.folder / "log.txt").read_text())

    def round(self, kind: str, count: int) -> tuple[list[int], list[str], dict[str, str]]:
        """Runs some processes of one kind at once; returns exit codes, outputs, and checksums of what they left."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        if kind in self.given:
            shutil.copytree(self.given[kind], out)
        logs = [self.folder / f"log-{number}.txt" for number in range(count)]
        together = FORK.Barrier(count)
        processes = [FORK.Process(target=_run, args=(self.commands[kind], out, log, together)) for log in logs]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        found = {
            str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
            for pattern in self.results.get(kind, ("**/*",))
            for path in sorted(out.glob(pattern))
            if path.is_file()
        }
        return [process.exitcode or 0 for process in processes], [log.read_text() for log in logs], found


def _run(command: "list[str] | Callable[[Path], None]", out: Path, log: Path, together) -> None:
    """Runs a command in a fork, its output in a file."""
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    code = 1
    try:
        if together:
            together.wait()
        if callable(command):
            command(out)
            code = 0
        else:
            arguments = [argument.replace("OUT", str(out), 1) for argument in command]
            sys.argv = ["kaleido/__main__.py", *arguments]
            code = kaleido(arguments)
    except BaseException:
        traceback.print_exc()
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _served(directory: Path) -> str:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def _load(address: str, out: Path) -> None:
    os.environ["XDG_CACHE_HOME"] = str(out)
    from kaleido.pretrained.hub import load

    load(address, progress=False)


def check(codes: list[int], outputs: list[str], found: dict[str, str], wanted: dict[str, str]) -> str:
    """Says what is wrong with a round; empty if nothing is."""
    if any("Traceback" in output for output in outputs):
        return "a traceback"
    if sorted(codes) not in ([0, 0], [0, 2]):
        return f"exit codes {codes}"
    for code, output in zip(codes, outputs):
        if code and TOLD not in (output.splitlines() or [""])[-1]:
            return "the other does not say who holds the place"
    different = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    return f"another result than that of one alone: {', '.join(different[:5])}" if different else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--kinds", nargs="*")
    arguments = parser.parse_args()
    # Imported before the forks, which must not begin to compute here.
    import keras  # noqa: F401

    import kaleido.alignment.align
    import kaleido.alignment.aligner
    import kaleido.app.step_tensorflow
    import kaleido.search.index  # noqa: F401

    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        for kind in arguments.kinds or place.commands:
            begun = time.monotonic()
            codes, outputs, wanted = place.round(kind, 1)
            if codes != [0]:
                print(f"{kind}: fails alone\n{outputs[0]}", flush=True)
                bad += 1
                continue
            refused = 0
            for number in range(arguments.rounds):
                codes, outputs, found = place.round(kind, 2)
                refused += 2 in codes
                if wrong := check(codes, outputs, found, wanted):
                    bad += 1
                    print(f"{kind}, round {number}: {wrong}", *outputs, sep="\n----\n", flush=True)
            took = time.monotonic() - begun
            print(f"{kind}: {arguments.rounds} rounds, {refused} times one was refused, {took:.0f} s", flush=True)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
