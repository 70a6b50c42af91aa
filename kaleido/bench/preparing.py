"""Measures how fast features are computed from photos."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import keras
import numpy as np

from kaleido.bench.machine import calls_per_second
from kaleido.vision.backbones import create_backbone
from kaleido.vision.backbones.keras_backbone import KerasBackbone
from kaleido.vision.crops import LEVEL_ROWS
from kaleido.vision.features import FeatureExtractor, Item
from kaleido.vision.photo import decode
from kaleido.vision.saliency import Saliency, box_of, create_saliency
from kaleido.vision.saliency.unet_saliency import UnetSaliency


def benchmark_preparing(
    photos: Sequence[bytes], backbone_name: str, saliency_name: str, seconds: float, workers: int, batch_size: int = 32
) -> dict[str, float]:
    """Times the extraction of the features of some encoded photos.

    Args:
        photos: Encoded pictures.
        backbone_name: Backbone that encodes the crops, at its own crop sizes.
        saliency_name: Method that finds the product.
        seconds: Time to measure for, after one uncounted round.
        workers: Threads that decode and crop.
        batch_size: Photos of a batch of `FeatureExtractor`.

    Returns:
        `examples_per_second` (photos), `decoding_ms` (a photo: decoding it and finding the product), and
        where the backbone is a network `flop_per_example` and `bytes_per_example` (of all convolutions, the saliency
        net's included).
    """
    backbone, saliency = create_backbone(backbone_name), create_saliency(saliency_name)
    extractor = FeatureExtractor(backbone, saliency, backbone.crop_sizes, workers, batch_size)
    for _ in extractor.extract(_items(photos)):
        pass
    begun = time.monotonic()
    done = sum(1 for _ in extractor.extract(_until(begun + seconds, itertools.cycle(photos))))
    rate = done / (time.monotonic() - begun)

    for _ in range(2):  # the first compiles
        begun = time.monotonic()
        for group in _groups(photos):
            _boxes(saliency, group)
    values = {"examples_per_second": rate, "decoding_ms": 1000 * (time.monotonic() - begun) / len(photos)}
    if isinstance(backbone, KerasBackbone):
        counts = [rows.stop - rows.start for rows in LEVEL_ROWS]
        costs = [convolution_cost(backbone.network, size) for size in backbone.crop_sizes]
        work = np.dot(counts, costs) + _saliency_cost(saliency)
        values["flop_per_example"], values["bytes_per_example"] = work.tolist()
    return values


def benchmark_saliency(photos: Sequence[bytes], saliency_name: str, seconds: float, workers: int) -> dict[str, float]:
    """Times finding the products of some encoded photos, from bytes to box.

    Args:
        photos: Encoded pictures.
        saliency_name: Method that finds the product.
        seconds: Time to measure for, after one uncounted round.
        workers: Threads, each of which takes a group of photos at a time.

    Returns:
        `examples_per_second` (photos), `flop_per_example` and `bytes_per_example` (of the net's convolutions; 0 where
        there is none).
    """
    saliency = create_saliency(saliency_name)
    with ThreadPoolExecutor(workers) as threads:

        def find() -> None:
            list(threads.map(partial(_boxes, saliency), _groups(photos)))

        find()
        rate = len(photos) * calls_per_second(find, seconds)
    flop, moved = _saliency_cost(saliency).tolist()
    return {"examples_per_second": rate, "flop_per_example": flop, "bytes_per_example": moved}


def _groups(photos: Sequence[bytes]) -> list[Sequence[bytes]]:
    size = FeatureExtractor.GROUP
    return [photos[start : start + size] for start in range(0, len(photos), size)]


def _boxes(saliency: Saliency, photos: Sequence[bytes]) -> list[tuple[int, int, int, int]]:
    return [box_of(mask) for mask in saliency.masks([decode(photo) for photo in photos])]


def _saliency_cost(saliency: Saliency) -> np.ndarray:
    if not isinstance(saliency, UnetSaliency):
        return np.zeros(2)
    return np.array(convolution_cost(saliency.network, saliency.network.input_shape[1]))


def convolution_cost(network: keras.Model, size: int) -> tuple[float, float]:
    """Counts the work of a network's convolutions on one crop of `size` pixels a side.

    Returns:
        floating-point operations, and bytes of float32 if each reads its input and writes its output once. Kernels do
        not count, as a batch shares them, nor do activations and biases, which are fused with the convolution.
    """
    # Behind its preprocessing a network can be one layer of another.
    network = next((layer for layer in network.layers if isinstance(layer, keras.Model)), network)
    sized = keras.models.clone_model(network, input_tensors=keras.Input((size, size, 3)))
    flop = moved = 0
    for layer in sized.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            inputs = 1 if isinstance(layer, keras.layers.DepthwiseConv2D) else layer.input.shape[-1]
            written = np.prod(layer.output.shape[1:])
            flop += 2 * written * inputs * np.prod(layer.kernel_size)
            moved += 4 * (np.prod(layer.input.shape[1:]) + written)
    return float(flop), float(moved)


def _until(end: float, photos: Iterator[bytes]) -> Iterator[Item]:
    return itertools.takewhile(lambda _: time.monotonic() < end, _items(photos))


def _items(photos: Sequence[bytes] | Iterator[bytes]) -> Iterator[Item]:
    return ((str(index), _reader(photo)) for index, photo in enumerate(photos))


def _reader(photo: bytes) -> Callable[[], bytes]:
    return lambda: photo
