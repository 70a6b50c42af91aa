"""The measurements of `bench`, each in a process of its own."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from io import BytesIO

from kaleido.backend import import_backend, keras
from kaleido.bench import machine
from kaleido.bench.config import MEASUREMENTS, BenchConfig
from kaleido.errors import UserError

PHOTO_SIZE = (60, 80)
"""Pixels of the photos that `saliency` and `preparing` draw: those of fashion-small."""

SALIENCY = "unet"
"""Saliency that finds the product in these photos."""

VOCABULARY_SIZE, TEXT_LENGTH = 30522, 64
"""Vocabulary and texts of `training`: BERT's, the paper's."""

MEAN_TOKENS = 8
"""Mean tokens of a text in `retrieval`: those of fashion-small's titles in BERT's vocabulary."""

CAPTION_TOKENS = 20
"""Tokens of every caption in `captioning`."""


def measure(config: BenchConfig) -> Iterator[tuple[str, dict]]:
    """Runs the measurements that a configuration names.

    Yields:
        Name, and settings and values, of each as soon as it is done.

    Raises:
        UserError: if the system killed one.
    """
    for name in MEASUREMENTS:
        if not config.what or name in config.what:
            yield name, _in_its_own_process(name, config)


def _in_its_own_process(name: str, config: BenchConfig) -> dict:
    """A process's peak of memory never falls: each measurement needs one of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_measure, name, config).result()
        except BrokenProcessPool:
            raise UserError(f"the measurement of {name} was killed, perhaps for want of memory; take less") from None


def _measure(name: str, config: BenchConfig) -> dict:
    """Settings and values of one measurement; what the machine can do is measured after it, beyond its peaks."""
    settings, values = _MEASUREMENTS[name](config)
    values["peak_resident_bytes"] = machine.peak_resident_bytes()
    bandwidth, devices = machine.memory_bandwidth, 1
    if name not in ("reading", "original"):
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


def _reading(config: BenchConfig) -> tuple[dict, dict]:
    from kaleido.bench.reading import benchmark_reading

    settings = {"batch_size": config.batch_size, "feature_size": config.feature_size, "workers": config.workers}
    return settings, benchmark_reading(config.seconds, **settings)


def _original(config: BenchConfig) -> tuple[dict, dict]:
    from kaleido.bench.original_text import benchmark_text

    settings = {"batch_size": config.batch_size, "feature_size": config.feature_size, "workers": config.workers}
    return settings, benchmark_text(config.seconds, **settings)


def _saliency(config: BenchConfig) -> tuple[dict, dict]:
    import_backend()
    from kaleido.bench.preparing import benchmark_saliency

    values = benchmark_saliency(_photos(), SALIENCY, config.seconds, config.workers)
    settings = {"saliency": SALIENCY, "photo_size": "x".join(map(str, PHOTO_SIZE)), "workers": config.workers}
    return {**settings, "precision": "float32"}, values


def _preparing(config: BenchConfig) -> tuple[dict, dict]:
    import_backend()
    from kaleido.bench.preparing import benchmark_preparing

    values = benchmark_preparing(_photos(), config.backbone, SALIENCY, config.seconds, config.workers)
    settings = {
        "saliency": SALIENCY,
        "backbone": config.backbone,
        "photo_size": "x".join(map(str, PHOTO_SIZE)),
        "workers": config.workers,
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


def _training(config: BenchConfig) -> tuple[dict, dict]:
    import_backend()
    from kaleido.app.config import ModelSection, TrainConfig
    from kaleido.bench.training import benchmark_step

    chosen = {"batch_size": config.batch_size, "precision": config.precision, "jit_compile": config.jit_compile}
    sizes = {"vocab_size": VOCABULARY_SIZE, "feature_size": config.feature_size, "text_length": TEXT_LENGTH}
    values = benchmark_step(ModelSection(config.size), TrainConfig(**chosen), **sizes, seconds=config.seconds)
    return {"size": config.size, **chosen, **sizes}, values


def _retrieval(config: BenchConfig) -> tuple[dict, dict]:
    import_backend()
    from kaleido.app.config import ModelSection
    from kaleido.bench.retrieval import benchmark_scoring

    keras.config.set_dtype_policy(config.precision)
    architecture = ModelSection(config.size).resolve(VOCABULARY_SIZE, config.feature_size)
    chosen = {"text_length": TEXT_LENGTH, "mean_pieces": MEAN_TOKENS, "batch_size": config.batch_size}
    values = benchmark_scoring(architecture, **chosen, seconds=config.seconds)
    return {"size": config.size, "precision": config.precision, **chosen, "feature_size": config.feature_size}, values


def _captioning(config: BenchConfig) -> tuple[dict, dict]:
    import_backend()
    from kaleido.app.config import ModelSection
    from kaleido.bench.captioning import benchmark_captioning

    keras.config.set_dtype_policy(config.precision)
    architecture = ModelSection(config.size).resolve(VOCABULARY_SIZE, config.feature_size)
    chosen = {"batch_size": config.batch_size, "pieces": CAPTION_TOKENS}
    values = benchmark_captioning(architecture, **chosen, seconds=config.seconds)
    return {"size": config.size, "precision": config.precision, **chosen, "feature_size": config.feature_size}, values


_MEASUREMENTS = {
    "reading": _reading,
    "original": _original,
    "saliency": _saliency,
    "preparing": _preparing,
    "training": _training,
    "retrieval": _retrieval,
    "captioning": _captioning,
}
