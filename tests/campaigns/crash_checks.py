"""What has to hold of a stage's output after a kill and at the end, measured against an undisturbed run."""

import json
from pathlib import Path

from kaleido.app.checkpoints import CheckpointStore
from kaleido.catalog.catalog import Catalog
from kaleido.checksums import file_sha256, unseal
from kaleido.errors import UserError


def unsound(stage: str, folder: Path, reference: Path) -> list[str]:
    """What is wrong under the final names while the stage is unfinished."""
    out = folder / "out"
    names = {
        "generate": ["photos/*", "masks/*", "catalog.json", "products.jsonl"],
        "import": ["*.json", "*.jsonl"],
        "prepare": ["*"],
        "pretrain": ["model/*", "checkpoints/step-*/*", "metrics.json", "curves.png", "config.yaml"],
    }[stage]
    found = [(path, reference / path.relative_to(out)) for name in names for path in out.glob(name)]
    if stage == "prepare":
        partial = folder.glob("out.partial/records/*.tfrecord*")
        found += [(path, reference / path.name) for path in partial]
    problems = [
        f"{path} is not as in the reference"
        for path, whole in found
        if not path.name.startswith(".") and whole.exists() and path.read_bytes() != whole.read_bytes()
    ]
    try:
        if stage in ("generate", "import") and (out / "catalog.json").exists():
            Catalog.open(out)
        if stage == "pretrain":
            checkpoints = CheckpointStore(out / "checkpoints", 1)
            for step in checkpoints.steps():
                checkpoints.load(step)
            if (out / "model").exists():
                sums = unseal((out / "model" / "config.json").read_bytes())["sha256"]
                problems += [f"{name} damaged" for name in sums if file_sha256(out / "model" / name) != sums[name]]
            points, whole = _points(out), _points(reference)
            if points != whole[: len(points)]:
                problems.append("metrics.jsonl has a gap, a double step or another value")
    except (UserError, OSError, ValueError) as error:
        problems.append(f"{type(error).__name__}: {error}")
    return [f"after the kill: {problem}" for problem in problems]


def differences(stage: str, folder: Path, reference: Path, asked_to_leave: bool) -> list[str]:
    """What differs from the reference at the end."""
    out = folder / "out"
    problems = [f"left behind: {path.name}" for path in folder.iterdir() if path.name != "out"]
    there, wanted = _files(out), _files(reference)
    if stage == "pretrain":
        last = CheckpointStore(reference / "checkpoints", 1).steps()[-1]
        for files in (there, wanted):
            for name in [name for name in files if _is_of_its_own(name, last if asked_to_leave else None)]:
                del files[name]
        if _points(out) != _points(reference):
            problems.append("metrics.jsonl differs")
        if _events(out) != _events(reference):
            problems.append("the TensorBoard events differ")
    problems += [f"{name} is missing" for name in wanted if name not in there]
    problems += [f"{name} is too much" for name in there if name not in wanted]
    return problems + [f"{name} differs" for name in wanted if name in there and there[name] != wanted[name]]


def _files(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): file_sha256(path) for path in paths}


def _is_of_its_own(name: str, only_step: int | None) -> bool:
    """Whether a file of a run is compared by its points, or not at all."""
    if name.startswith("checkpoints/"):
        return only_step is not None and not name.startswith(f"checkpoints/step-{only_step:08d}/")
    return name == "metrics.jsonl" or name.startswith("tensorboard/")


def _points(run: Path) -> list[dict]:
    """The logged points without what depends on the clock."""
    path = run / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [{tag: value for tag, value in json.loads(line).items() if tag != "examples_per_second"} for line in lines]


def _events(run: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag != "examples_per_second"]
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}
