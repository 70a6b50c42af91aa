"""Runs the measurements of `bench`, each in a process of its own."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from kaleido.backend import import_backend, keras
from kaleido.bench import machine
from kaleido.bench.config import (
    CPU_LIMIT,
    CPU_SETTINGS,
    MEASUREMENTS,
    ONLY_IF_NAMED,
    PRESET_LIMIT,
    PRESET_SETTINGS,
    PRESETS,
    BenchConfig,
)
from kaleido.errors import UserError
from kaleido.processors import cores

PHOTO_SIZE = (60, 80)
"""Width and height in pixels of the photos of `saliency`, `preparing` and `embedding`: those of fashion-small."""

SALIENCY = "unet"
"""Saliency method of `saliency`, `preparing` and `embedding`."""

VOCABULARY_SIZE, TEXT_LENGTH = 30522, 64
"""Vocabulary and text length of the models: BERT's vocabulary, the paper's texts."""

MEAN_TOKENS = 8
"""Mean length of a text in `retrieval`: that of fashion-small's titles in BERT's vocabulary."""

CAPTION_TOKENS = 20
"""Length of every caption in `captioning`."""

Measured = tuple[dict[str, Any], dict[str, Any]]
"""Settings and values of one measurement."""

_WITHOUT_BACKEND = ("importing", "reading", "original", "twin", "scaling")
"""Measurements that do not compute with Keras."""


def measure(config: BenchConfig) -> Iterator[tuple[str, dict | str | Exception]]:
    """Runs the measurements that a configuration names.

    Yields:
        Label, and settings and values, of each as soon as it is done; a remark, such as why one was left out; or in a
        preset the error of one that failed.

    Raises:
        UserError: if the system killed one, without a preset.
    """
    begun, limit, limits = time.monotonic(), config.limit, {}
    wanted = config.what or [name for name in MEASUREMENTS if name not in ONLY_IF_NAMED]
    parts = {name: (name, config) for name in MEASUREMENTS if name in wanted}
    if config.preset:
        limits = _in_its_own_process(_limits, seconds=limit)
        limit = limit or (PRESET_LIMIT if limits["accelerators"] else CPU_LIMIT)
        settings = {**PRESET_SETTINGS, **({} if limits["accelerators"] else CPU_SETTINGS)}
        parts = {
            label: (name, replace(config, preset=None, **settings, **own))
            for label, (name, own) in PRESETS[config.preset].items()
        }
        yield config.preset, _plan(limits, len(parts), config.seconds, limit)
    rates: dict[str, float] = {}
    for label, (name, part) in parts.items():
        if name == "twin" and not find_spec("torch"):
            yield label, "left out: PyTorch is not installed (extra `twin`)"
            continue
        try:
            left = None if limit is None else limit - (time.monotonic() - begun)
            found = _in_its_own_process(_measure, name, part, limits, seconds=left)
        except TimeoutError:
            yield label, f"left out: not done within the {limit:g} s of all measurements (--limit)"
        except Exception as error:
            if not config.preset:
                raise
            yield label, error
        else:
            rates[label] = found["values"]["examples_per_second"] / found["settings"].get("devices", 1)
            if ours := rates.get(label.replace("twin", "training")) if name == "twin" else None:
                found["values"]["ours_over_twin"] = ours / rates[label]
            yield label, found


def _plan(limits: Mapping[str, Any], count: int, seconds: float, limit: float) -> str:
    devices = f"{limits['accelerators']} x {limits['device']}" if limits["accelerators"] else limits["device"]
    return (
        f"{count} measurements of {seconds:g} s each, start-up and compilation aside, {limit:g} s together at most; "
        f"{devices}, {limits['bfloat16'] * 1e-12:,.3g} TFLOP/s in bfloat16, {limits['device memory'] * 1e-9:,.0f} GB/s"
    )


def _in_its_own_process(work: Callable, *arguments: Any, seconds: float | None) -> Any:
    """Calls a function in a new process, because a process's peak of memory never falls.

    Raises:
        TimeoutError: if it takes longer than `seconds`.
        UserError: if the system killed it.
    """
    # A process group of its own, so that the processes that it starts end with it.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=os.setsid) as pool:
        group = pool.submit(os.getpid).result()
        future = pool.submit(work, *arguments)
        try:
            return future.result(seconds if seconds is None else max(seconds, 0.0))
        except BrokenProcessPool:
            raise UserError("the measurement was killed, perhaps for lack of memory; reduce sizes") from None
        finally:
            if not future.done():
                os.killpg(group, signal.SIGKILL)


def _limits() -> dict[str, Any]:
    """Measures the machine for all measurements of a preset."""
    import_backend()
    limits = {"device": machine.device(), "accelerators": machine.accelerators()}
    return limits | {name: _limit(name) for name in ("memory", "device memory", "bfloat16")}


def _limit(name: str, seconds: float = 2.0) -> float:
    """Measures what the machine can do: `memory` and `device memory` in bytes/s, a dtype in operations/s."""
    if name == "memory":
        return machine.memory_bandwidth(cores(), seconds)
    import_backend()
    if name == "device memory":
        return machine.device_bandwidth(cores(), seconds)
    return machine.matrix_rate(name, seconds)


def _measure(name: str, config: BenchConfig, limits: Mapping[str, Any]) -> dict:
    """Runs one measurement, then measures those limits that are not given, after the peaks of memory were read."""
    if name not in _WITHOUT_BACKEND:
        import_backend()
    settings, values = _MEASUREMENTS[name](config)
    values["peak_resident_bytes"] = machine.peak_resident_bytes()
    if name not in _WITHOUT_BACKEND:
        settings |= {"backend": keras.backend.backend(), "device": machine.device()}
        if (peak := machine.peak_device_bytes()) is not None:
            values["peak_device_bytes"] = peak
        if name == "training":
            settings["devices"] = max(machine.accelerators(), 1)
    devices = settings.get("devices", 1)

    def limit(name: str) -> float:
        return devices * (limits[name] if name in limits else _limit(name, min(2.0, config.seconds)))

    if "bytes_per_example" in values:
        values["memory_bytes_per_second"] = limit(
            "memory" if name in _WITHOUT_BACKEND and name != "twin" else "device memory"
        )
        if "flop_per_example" in values:
            values["matrix_flop_per_second"] = limit(settings["precision"].removeprefix("mixed_"))
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


def _embedding(config: BenchConfig) -> Measured:
    from kaleido.bench.searching import benchmark_embedding

    settings = {**_photo_settings(config), "backbone": config.backbone, "batch_size": config.batch_size}
    values = benchmark_embedding(_photos(), config.backbone, SALIENCY, config.seconds, config.batch_size)
    return settings, values


def _searching(config: BenchConfig) -> Measured:
    from kaleido.bench.searching import benchmark_searching

    return {"products": config.rows}, benchmark_searching(config.rows, config.backbone, config.seconds)


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
    sizes: dict[str, Any] = {"feature_size": config.feature_size, "text_length": TEXT_LENGTH, "workers": config.workers}
    records = Path(config.records) if config.records else None
    values = benchmark_loop(ModelSection(config.size), TrainConfig(**train), **sizes, records=records)
    if records:
        sizes |= {"feature_size": "of the records", "records": config.records}
    return {"size": config.size, **train, **sizes}, values


def _twin(config: BenchConfig) -> Measured:
    from kaleido.app.config import ModelSection
    from kaleido.bench.torch_twin import benchmark_twin, device_name

    train = {"batch_size": config.batch_size, "precision": config.precision, "text_length": TEXT_LENGTH}
    model = ModelSection(config.size).resolve(VOCABULARY_SIZE, config.feature_size)
    values = benchmark_twin(model, **train, seconds=config.seconds)
    sizes = {"size": config.size, **train, "vocab_size": VOCABULARY_SIZE, "feature_size": config.feature_size}
    return {**sizes, "backend": "torch", "device": device_name()}, values


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


def _scaling(config: BenchConfig) -> Measured:
    from kaleido.bench.scaling import benchmark_scaling

    return {"rows": config.rows, "stages": " ".join(config.stages) or "all"}, benchmark_scaling(
        config.rows, config.stages
    )


_MEASUREMENTS: dict[str, Callable[[BenchConfig], Measured]] = {
    "importing": _importing,
    "reading": _reading,
    "original": _original,
    "saliency": _saliency,
    "preparing": _preparing,
    "embedding": _embedding,
    "searching": _searching,
    "training": _training,
    "loop": _loop,
    "twin": _twin,
    "retrieval": _retrieval,
    "captioning": _captioning,
    "scaling": _scaling,
}
