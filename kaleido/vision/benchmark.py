"""How fast photos become features here."""

import time
from collections.abc import Callable, Sequence

import keras

from kaleido.vision.backbones import create_backbone
from kaleido.vision.backbones.keras_backbone import KerasBackbone
from kaleido.vision.crops import LEVEL_ROWS
from kaleido.vision.features import FeatureExtractor
from kaleido.vision.photo import decode
from kaleido.vision.saliency import box_of, create_saliency


def benchmark_preparing(
    photos: Sequence[bytes], backbone_name: str, saliency_name: str, seconds: float, workers: int, batch_size: int = 128
) -> dict[str, float]:
    """Extracts the features of some encoded photos, again and again.

    Args:
        photos: Encoded pictures.
        backbone_name: What encodes the crops, at its own crop sizes.
        saliency_name: What finds the product.
        seconds: Time to measure for, after one uncounted round.
        workers: Threads that decode and crop.
        batch_size: Crops encoded at once.

    Returns:
        `photos_per_second`, `decoding_ms` (a photo, one thread: decoding and finding the product), and where the
        backbone is a network `gflop_per_photo` and `gflop_per_second` (convolutions alone).
    """
    backbone, saliency = create_backbone(backbone_name), create_saliency(saliency_name)
    extractor = FeatureExtractor(backbone, saliency, backbone.crop_sizes, workers, batch_size)
    items = [(str(index), _reader(photo)) for index, photo in enumerate(photos)]
    for _ in extractor.extract(items):
        pass
    begun, done = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        done += sum(1 for _ in extractor.extract(items))
    rate = done / (time.monotonic() - begun)

    begun = time.monotonic()
    for photo in photos:
        box_of(saliency.mask(decode(photo)))
    values = {"photos_per_second": rate, "decoding_ms": 1000 * (time.monotonic() - begun) / len(photos)}
    network = backbone.network if isinstance(backbone, KerasBackbone) else None
    if network:
        counts = [rows.stop - rows.start for rows in LEVEL_ROWS]
        gflop = sum(n * convolution_flop(network, size) for n, size in zip(counts, backbone.crop_sizes)) / 1e9
        values |= {"gflop_per_photo": gflop, "gflop_per_second": rate * gflop}
    return values


def convolution_flop(network: keras.Model, size: int) -> float:
    """Floating-point operations of a network's convolutions on one crop of `size` pixels a side."""
    sized = keras.models.clone_model(network, input_tensors=keras.Input((size, size, 3)))
    total = 0
    for layer in sized.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            _, height, width, channels = layer.output.shape
            inputs = 1 if isinstance(layer, keras.layers.DepthwiseConv2D) else layer.input.shape[-1]
            total += 2 * height * width * channels * inputs * layer.kernel_size[0] * layer.kernel_size[1]
    return float(total)


def _reader(photo: bytes) -> Callable[[], bytes]:
    return lambda: photo
