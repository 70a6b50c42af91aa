"""Runs the measurements of `bench`, each in a process of its own."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from io import BytesIO
from typing import Any

from kaleido.backend import import_backend, keras
from kaleido.bench import machine
from kaleido.bench.config import MEASUREMENTS, BenchConfig
from kaleido.errors import UserError

PHOTO_SIZE = (60, 80)
"""Width and height in pixels of the photos of `saliency` and `preparing`: those of fashion-small."""

SALIENCY = "unet"
"""Saliency method of `saliency` and `preparing`."""

VOCABULARY_SIZE, TEXT_LENGTH = 30522, 64
"""Vocabulary and text length of the models: BERT's vocabulary, the paper's texts."""

MEAN_TOKENS = 8
"""Mean length of a text in `retrieval`: that of fashion-small's titles in BERT's vocabulary."""

CAPTION_TOKENS = 20
"""Length of every caption in `captioning`."""

_WITHOUT_BACKEND = ("importing", "reading", "original")

Measured = tuple[dict[str, Any], dict[str, Any]]
"""Settings and values of one measurement."""


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
    """Measures in a new process: a process's peak of memory never falls."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_measure, name, config).result()
        except BrokenProcessPool:
            raise UserError(f"the measurement of {name} was killed, perhaps for lack of memory; reduce sizes") from None


def _measure(name: str, config: BenchConfig) -> dict:
    """Runs one measurement, then measures the machine's limits, after the peaks of memory were read."""
    if name not in _WITHOUT_BACKEND:
        import_backend()
    settings, values = _MEASUREMENTS[name](config)
    values["peak_resident_bytes"] = machine.peak_resident_bytes()
    bandwidth, devices = machine.memory_bandwidth, 1
    if name not in _WITHOUT_BACKEND:
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


def _importing(config: BenchConfig) -> Measured:
    from kaleido.bench.importing import benchmark_importing

    return {"rows": config.rows}, benchmark_importing(config.rows)


def _reading(config: BenchConfig) -> Measured:
    from kaleido.bench.reading import benchmark_reading

    settings = _data_settings(config)
    return settings, benchmark_reading(config.seconds, **settings)


def _original(config: BenchConfig) -> Measured:
    from kaleido.bench.original_text import benchmark_text

    settings = _data_settings(config)
    return settings, benchmark_text(config.seconds, **settings)


def _data_settings(config: BenchConfig) -> dict[str, Any]:
    return {"batch_size": config.batch_size, "feature_size": config.feature_size, "workers": config.workers}


def _saliency(config: BenchConfig) -> Measured:
    from kaleido.bench.preparing import benchmark_saliency

    return _photo_settings(config), benchmark_saliency(_photos(), SALIENCY, config.seconds, config.workers)


def _preparing(config: BenchConfig) -> Measured:
    from kaleido.bench.preparing import benchmark_preparing

    values = benchmark_preparing(_photos(), config.backbone, SALIENCY, config.seconds, config.workers)
    return {**_photo_settings(config), "backbone": config.backbone}, values


def _photo_settings(config: BenchConfig) -> dict[str, Any]:
    size = "x".join(map(str, PHOTO_SIZE))
    return {"saliency": SALIENCY, "photo_size": size, "workers": config.workers, "precision": "float32"}


def _photos() -> list[bytes]:
    """Draws photos of the wardrobe as small JPEGs."""
    from kaleido.wardrobe import draw_products

    photos = []
    for product in draw_products(64, seed=0):
        for photo in product.photos.values():
            file = BytesIO()
            photo.resize(PHOTO_SIZE).save(file, "JPEG", quality=90)
            photos.append(file.getvalue())
    return photos


def _training(config: BenchConfig) -> Measured:
    from kaleido.app.config import ModelSection, TrainConfig
    from kaleido.bench.training import benchmark_step

    train = {"batch_size": config.batch_size, "precision": config.precision, "jit_compile": config.jit_compile}
    sizes = {"vocab_size": VOCABULARY_SIZE, "feature_size": config.feature_size, "text_length": TEXT_LENGTH}
    values = benchmark_step(ModelSection(config.size), TrainConfig(**train), **sizes, seconds=config.seconds)
    return {"size": config.size, **train, **sizes}, values


def _loop(config: BenchConfig) -> Measured:
    from kaleido.app.config import ModelSection, TrainConfig
    from kaleido.bench.loop import benchmark_loop

    train = {"batch_size": config.batch_size, "precision": config.precision, "steps": config.steps}
    sizes = {"feature_size": config.feature_size, "text_length": TEXT_LENGTH, "workers": config.workers}
    return {"size": config.size, **train, **sizes}, benchmark_loop(
        ModelSection(config.size), TrainConfig(**train), **sizes
    )


def _retrieval(config: BenchConfig) -> Measured:
    from kaleido.bench.retrieval import benchmark_scoring

    settings = {"text_length": TEXT_LENGTH, "mean_tokens": MEAN_TOKENS, "batch_size": config.batch_size}
    return _inference(config, benchmark_scoring, settings)


def _captioning(config: BenchConfig) -> Measured:
    from kaleido.bench.captioning import benchmark_captioning

    return _inference(config, benchmark_captioning, {"batch_size": config.batch_size, "tokens": CAPTION_TOKENS})


def _inference(config: BenchConfig, benchmark: Callable[..., dict[str, float]], settings: dict[str, Any]) -> Measured:
    from kaleido.app.config import ModelSection

    keras.config.set_dtype_policy(config.precision)
    model = ModelSection(config.size).resolve(VOCABULARY_SIZE, config.feature_size)
    values = benchmark(model, **settings, seconds=config.seconds)
    return {
        "size": config.size,
        "precision": config.precision,
        **settings,
        "feature_size": config.feature_size,
    }, values


_MEASUREMENTS: dict[str, Callable[[BenchConfig], Measured]] = {
    "importing": _importing,
    "reading": _reading,
    "original": _original,
    "saliency": _saliency,
    "preparing": _preparing,
    "training": _training,
    "loop": _loop,
    "retrieval": _retrieval,
    "captioning": _captioning,
}
