"""`python -m kaleido bench`: how fast reading, preparing and training are, and how far from the machine's floor."""

import json
import os
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np

from kaleido.atomic import write_atomically
from kaleido.commands.arguments import ArgumentParser
from kaleido.commands.backend import import_backend
from kaleido.errors import UserError

PHOTO_SIZE = (60, 80)
"""Pixels of the photos that `preparing` draws: those of fashion-small."""


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    parser = ArgumentParser(prog="python -m kaleido bench", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help="reading, preparing, training; all if none is named")
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each measurement (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="threads (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="examples of a batch (%(default)s)")
    parser.add_argument("--feature-size", type=int, default=2048, help="length of a patch feature (%(default)s)")
    parser.add_argument("--backbone", default="efficientnet_lite0", help="of preparing (%(default)s)")
    parser.add_argument("--size", default="tiny", help="model of training: tiny, small or base (%(default)s)")
    parser.add_argument("--precision", default="float32", help="of training: float32 or mixed_bfloat16 (%(default)s)")
    parser.add_argument("--jit-compile", action="store_true", help="train with XLA")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    args = parser.parse_args(argv)
    measurements = {"reading": _reading, "preparing": _preparing, "training": _training}
    unknown = sorted(set(args.what) - set(measurements))
    if unknown or args.seconds <= 0:
        received = ", ".join(unknown) or args.seconds
        raise UserError(f"bench measures {', '.join(measurements)} for more than 0 seconds. Received: {received}")
    results = {}
    for name, measure in measurements.items():
        if not args.what or name in args.what:
            results[name] = measure(args)
            print(f"{name}\n" + "".join(f"  {key:<28} {value:>12,.3f}\n" for key, value in results[name].items()))
    if args.out:
        write_atomically(args.out, json.dumps(results, indent=1).encode())
    return 0


def _reading(args) -> dict[str, float]:
    from kaleido.records.benchmark import benchmark_reading

    return benchmark_reading(args.seconds, args.feature_size, args.batch_size, args.workers)


def _preparing(args) -> dict[str, float]:
    import_backend()
    from kaleido.catalog.wardrobe import draw_products
    from kaleido.vision.benchmark import benchmark_preparing

    photos = []
    for product in draw_products(64, seed=0):
        for photo in product.photos.values():
            file = BytesIO()
            photo.resize(PHOTO_SIZE).save(file, "JPEG", quality=90)
            photos.append(file.getvalue())
    values = benchmark_preparing(photos, args.backbone, "border", args.seconds, args.workers)
    return _with_floor(values)


def _training(args) -> dict[str, float]:
    import_backend()
    from kaleido.app.benchmark import benchmark_step
    from kaleido.app.config import ModelSection, TrainConfig

    train = TrainConfig(batch_size=args.batch_size, precision=args.precision, jit_compile=args.jit_compile)
    values = benchmark_step(
        ModelSection(args.size),
        train,
        vocab_size=30522,
        feature_size=args.feature_size,
        text_length=64,
        seconds=args.seconds,
    )
    return _with_floor(values)


def _with_floor(values: dict[str, float]) -> dict[str, float]:
    """Adds the rate of matrix products on this machine, measured now, and the share of it that was reached."""
    if "gflop_per_second" not in values:
        return values
    peak = _matrix_rate()
    return {**values, "matrix_gflop_per_second": peak, "share_of_floor": values["gflop_per_second"] / peak}


def _matrix_rate(size: int = 2048, seconds: float = 2.0) -> float:
    """float32 GFLOP a second of one large matrix product on the backend's device."""
    import keras
    from keras import ops

    matrix = ops.convert_to_tensor(np.random.default_rng(0).random((size, size), np.float32))
    multiply: Callable = lambda: ops.convert_to_numpy(ops.matmul(matrix, matrix)[0, 0])  # noqa: E731
    multiply()
    begun, done = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        multiply()
        done += 1
    keras.backend.clear_session()
    return done * 2 * size**3 / (time.monotonic() - begun) / 1e9
