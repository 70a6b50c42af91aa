"""How fast photos become features here."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np

from kaleido.vision.backbones import create_backbone
from kaleido.vision.backbones.keras_backbone import KerasBackbone
from kaleido.vision.crops import LEVEL_ROWS
from kaleido.vision.features import FeatureExtractor, Item
from kaleido.vision.photo import decode
from kaleido.vision.saliency import box_of, create_saliency


def benchmark_preparing(
    photos: Sequence[bytes], backbone_name: str, saliency_name: str, seconds: float, workers: int, batch_size: int = 32
) -> dict[str, float]:
    """Extracts the features of some encoded photos, again and again.

    Args:
        photos: Encoded pictures.
        backbone_name: What encodes the crops, at its own crop sizes.
        saliency_name: What finds the product.
        seconds: Time to measure for, after one uncounted round.
        workers: Threads that decode and crop.
        batch_size: As `FeatureExtractor` has it.

    Returns:
        `examples_per_second` (photos), `decoding_ms` (a photo, one thread: decoding and finding the product), and where
        the backbone is a network `flop_per_example` and `bytes_per_example` (of its convolutions alone).
    """
    backbone, saliency = create_backbone(backbone_name), create_saliency(saliency_name)
    extractor = FeatureExtractor(backbone, saliency, backbone.crop_sizes, workers, batch_size)
    for _ in extractor.extract(_items(photos)):
        pass
    begun = time.monotonic()
    done = sum(1 for _ in extractor.extract(_until(begun + seconds, itertools.cycle(photos))))
    rate = done / (time.monotonic() - begun)

    begun = time.monotonic()
    for photo in photos:
        box_of(saliency.mask(decode(photo)))
    values = {"examples_per_second": rate, "decoding_ms": 1000 * (time.monotonic() - begun) / len(photos)}
    if isinstance(backbone, KerasBackbone):
        counts = [rows.stop - rows.start for rows in LEVEL_ROWS]
        costs = [convolution_cost(backbone.network, size) for size in backbone.crop_sizes]
        values["flop_per_example"], values["bytes_per_example"] = np.dot(counts, costs).tolist()
    return values


def convolution_cost(network: keras.Model, size: int) -> tuple[float, float]:
    """What a network's convolutions cost on one crop of `size` pixels a side.

    Returns:
        floating-point operations, and bytes of float32 if each reads its input and writes its output once. Kernels do
        not count, as a batch shares them; activation and bias cost nothing, as the convolution does them in passing.
    """
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
