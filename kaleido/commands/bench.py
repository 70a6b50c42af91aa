"""`python -m kaleido bench`: how fast each step is on this machine, beside its floor."""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from io import BytesIO
from pathlib import Path

from kaleido.backend import import_backend
from kaleido.bench import machine
from kaleido.bench import results as benchmarks
from kaleido.commands.arguments import ArgumentParser
from kaleido.errors import UserError

PHOTO_SIZE = (60, 80)
"""Pixels of the photos that `saliency` and `preparing` draw: those of fashion-small."""

SALIENCY = "unet"
"""What finds the product in them."""

VOCABULARY_SIZE, TEXT_LENGTH = 30522, 64
"""Of training: BERT's vocabulary, the paper's texts."""

MEAN_PIECES = 8
"""Of a text in retrieval: that of fashion-small's titles in BERT's vocabulary."""

CAPTION_PIECES = 20
"""Of captioning: pieces of every caption."""


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    parser = ArgumentParser(prog="python -m kaleido bench", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(MEASUREMENTS)}; all if none")
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each measurement (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="threads (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="examples of a batch (%(default)s)")
    parser.add_argument("--feature-size", type=int, default=2048, help="length of a patch feature (%(default)s)")
    parser.add_argument("--backbone", default="efficientnet_lite0", help="of preparing (%(default)s)")
    parser.add_argument(
        "--size",
        default="tiny",
        choices=("tiny", "small", "base"),
        help="model of training, retrieval and captioning (%(default)s)",
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=("float32", "mixed_bfloat16"),
        help="of training, retrieval and captioning (%(default)s)",
    )
    parser.add_argument("--jit-compile", action="store_true", help="train with XLA")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the figures as JSON")
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"), help="measure nothing, show two such files"
    )
    parser.add_argument(
        "--tolerance", type=float, metavar="PERCENT", help="with --compare: exit code 1 if a rate fell by more"
    )
    args = parser.parse_args(argv)
    if args.compare:
        return _compare(*args.compare, args.tolerance)
    unknown = sorted(set(args.what) - set(MEASUREMENTS))
    if unknown or args.seconds <= 0 or min(args.workers, args.batch_size, args.feature_size) < 1:
        received = ", ".join(unknown) or f"{args.seconds}, {args.workers}, {args.batch_size}, {args.feature_size}"
        raise UserError(f"bench measures {', '.join(MEASUREMENTS)}; all numbers must be positive. Received: {received}")
    measurements = {}
    for name in MEASUREMENTS:
        if not args.what or name in args.what:
            measurements[name] = _in_its_own_process(name, args)
            print(benchmarks.listing(name, measurements[name]), flush=True)
    if args.out:
        benchmarks.save(args.out, machine.environment(), measurements)
    return 0


def _compare(before: Path, after: Path, tolerance: float | None) -> int:
    before, after = benchmarks.load(before), benchmarks.load(after)
    print(benchmarks.comparison(before, after))
    return int(tolerance is not None and benchmarks.worst_loss(before, after) > tolerance)


def _in_its_own_process(name: str, args: argparse.Namespace) -> dict:
    """A process's peak of memory never falls: each measurement needs one of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_measure, name, args).result()
        except BrokenProcessPool:
            raise UserError(f"the measurement of {name} was killed, perhaps for want of memory; take less") from None


def _measure(name: str, args: argparse.Namespace) -> dict:
    """Settings and values of one measurement; what the machine can do is measured after it, beyond its peaks."""
    settings, values = MEASUREMENTS[name](args)
    values["peak_resident_bytes"] = machine.peak_resident_bytes()
    bandwidth, devices = machine.memory_bandwidth, 1
    if name not in ("reading", "original"):
        import keras

        settings |= {"backend": keras.backend.backend(), "device": machine.device()}
        bandwidth = machine.device_bandwidth
        if (peak := machine.peak_device_bytes()) is not None:
            values["peak_device_bytes"] = peak
        if name == "training":
            devices = settings["devices"] = max(machine.accelerators(), 1)
    if "bytes_per_example" in values:
        values["memory_bytes_per_second"] = devices * bandwidth(machine.cores())
        if "flop_per_example" in values:
            dtype = settings["precision"].removeprefix("mixed_")
            values["matrix_flop_per_second"] = devices * machine.matrix_rate(dtype)
        values |= machine.floor(values)
    return {"settings": settings, "values": values}


def _reading(args: argparse.Namespace) -> tuple[dict, dict]:
    from kaleido.bench.reading import benchmark_reading

    settings = {"batch_size": args.batch_size, "feature_size": args.feature_size, "workers": args.workers}
    return settings, benchmark_reading(args.seconds, **settings)


def _original(args: argparse.Namespace) -> tuple[dict, dict]:
    from kaleido.bench.original_text import benchmark_text

    settings = {"batch_size": args.batch_size, "feature_size": args.feature_size, "workers": args.workers}
    return settings, benchmark_text(args.seconds, **settings)


def _saliency(args: argparse.Namespace) -> tuple[dict, dict]:
    import_backend()
    from kaleido.bench.preparing import benchmark_saliency

    values = benchmark_saliency(_photos(), SALIENCY, args.seconds, args.workers)
    settings = {"saliency": SALIENCY, "photo_size": "x".join(map(str, PHOTO_SIZE)), "workers": args.workers}
    return {**settings, "precision": "float32"}, values


def _preparing(args: argparse.Namespace) -> tuple[dict, dict]:
    import_backend()
    from kaleido.bench.preparing import benchmark_preparing

    values = benchmark_preparing(_photos(), args.backbone, SALIENCY, args.seconds, args.workers)
    settings = {
        "saliency": SALIENCY,
        "backbone": args.backbone,
        "photo_size": "x".join(map(str, PHOTO_SIZE)),
        "workers": args.workers,
        "precision": "float32",
    }
    return settings, values


def _photos() -> list[bytes]:
    """Wardrobe photos as small JPEGs."""
    from kaleido.wardrobe import draw_products

    photos = []
    for product in draw_products(64, seed=0):
        for photo in product.photos.values():
            file = BytesIO()
            photo.resize(PHOTO_SIZE).save(file, "JPEG", quality=90)
            photos.append(file.getvalue())
    return photos


def _training(args: argparse.Namespace) -> tuple[dict, dict]:
    import_backend()
    from kaleido.app.config import ModelSection, TrainConfig
    from kaleido.bench.training import benchmark_step

    chosen = {"batch_size": args.batch_size, "precision": args.precision, "jit_compile": args.jit_compile}
    sizes = {"vocab_size": VOCABULARY_SIZE, "feature_size": args.feature_size, "text_length": TEXT_LENGTH}
    values = benchmark_step(ModelSection(args.size), TrainConfig(**chosen), **sizes, seconds=args.seconds)
    return {"size": args.size, **chosen, **sizes}, values


def _retrieval(args: argparse.Namespace) -> tuple[dict, dict]:
    import_backend()
    import keras

    from kaleido.app.config import ModelSection
    from kaleido.bench.retrieval import benchmark_scoring

    keras.config.set_dtype_policy(args.precision)
    config = ModelSection(args.size).resolve(VOCABULARY_SIZE, args.feature_size)
    chosen = {"text_length": TEXT_LENGTH, "mean_pieces": MEAN_PIECES, "batch_size": args.batch_size}
    values = benchmark_scoring(config, **chosen, seconds=args.seconds)
    return {"size": args.size, "precision": args.precision, **chosen, "feature_size": args.feature_size}, values


def _captioning(args: argparse.Namespace) -> tuple[dict, dict]:
    import_backend()
    import keras

    from kaleido.app.config import ModelSection
    from kaleido.bench.captioning import benchmark_captioning

    keras.config.set_dtype_policy(args.precision)
    config = ModelSection(args.size).resolve(VOCABULARY_SIZE, args.feature_size)
    chosen = {"batch_size": args.batch_size, "pieces": CAPTION_PIECES}
    values = benchmark_captioning(config, **chosen, seconds=args.seconds)
    return {"size": args.size, "precision": args.precision, **chosen, "feature_size": args.feature_size}, values


MEASUREMENTS = {
    "reading": _reading,
    "original": _original,
    "saliency": _saliency,
    "preparing": _preparing,
    "training": _training,
    "retrieval": _retrieval,
    "captioning": _captioning,
}
