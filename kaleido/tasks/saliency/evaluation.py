"""Evaluates saliencies on scenes with known masks and on the photos of a catalogue."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kaleido.app.result import Result
from kaleido.atomic import write_atomically
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.config import PipelineConfig
from kaleido.tasks.saliency.agreement import box_iou, mask_iou
from kaleido.tasks.saliency.config import SaliencyEvaluation
from kaleido.tasks.saliency.training import HELD_OUT_SEED, SceneStream, WardrobeCutouts
from kaleido.vision.photo import decode
from kaleido.vision.saliency import SALIENCIES, BorderSaliency, Saliency, box_of, create_saliency

PLAIN = 240
"""Brightness of plain white: at least half of the border pixels have this value or more in every channel."""

HALO = 30.0
"""Difference from white above which a pixel counts as product. JPEG artefacts around a product stay below it; with the
threshold 12 of `border`, they would widen the mask by two pixels on each side."""

GOOD_IOU = 0.8
"""Smallest IoU of a box that counts as good."""

Example = tuple[np.ndarray, np.ndarray]
"""A photo, uint8 [H, W, 3], and its true mask, bool [H, W]."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of predicted and true masks, as means over photos.

    Attributes:
        photos: Number of photos.
        mask_iou: Mean intersection over union of the masks.
        box_iou: Mean intersection over union of the boxes.
        good_boxes: Share of the boxes whose IoU is at least `GOOD_IOU`.
    """

    photos: int
    mask_iou: float
    box_iou: float
    good_boxes: float


def evaluate_saliencies(config: SaliencyEvaluation) -> Result:
    """Evaluates every saliency on held-out scenes and, if the configuration names one, on the photos of a catalogue.

    Raises:
        UserError: if the catalogue or the weights cannot be read, or no photo can be evaluated.
    """
    catalog = Catalog.open(config.catalog) if config.catalog else None
    weights = {"unet": config.weights}
    saliencies = {name: create_saliency(name, weights.get(name)) for name in SALIENCIES}
    results = {"held-out scenes": measure(saliencies, held_out_scenes(config.scenes, config.seed), config.scenes)}
    if catalog:
        results[catalog.name] = measure(saliencies, catalog_photos(catalog, config.photos), config.photos)
    lines = ["| photos | | saliency | mask IoU | box IoU | good boxes |", "|---|---:|---|---:|---:|---:|"]
    for source, found in results.items():
        for name, values in found.items():
            shares = f"{values.mask_iou:.3f} | {values.box_iou:.3f} | {values.good_boxes:.1%}"
            lines.append(f"| {source} | {values.photos} | {name} | {shares} |")
    metrics = {source: {name: asdict(one) for name, one in found.items()} for source, found in results.items()}
    if config.out:
        write_atomically(Path(config.out), json.dumps(metrics, indent=1).encode() + b"\n")
    return Result(metrics, "\n".join(lines))


def measure(saliencies: Mapping[str, Saliency], examples: Iterable[Example], total: int) -> dict[str, Agreement]:
    """Measures the agreement of saliencies with true masks.

    Args:
        saliencies: Saliencies by name.
        examples: Photos with their true masks.
        total: Largest number of examples, for the progress bar.

    Returns:
        Agreement by name of the saliency.

    Raises:
        UserError: if there are no examples.
    """
    values = {name: [] for name in saliencies}
    for photo, true in tqdm(examples, total=total, desc="saliency", unit="photo", leave=False):
        for name, saliency in saliencies.items():
            found = saliency.mask(photo)
            values[name].append((mask_iou(found, true), box_iou(box_of(found), box_of(true))))
    if not all(values.values()):
        raise UserError("no photo has a known mask or a plain white background; name a catalogue that has such photos")
    means = {}
    for name, rows in values.items():
        masks, boxes = np.array(rows).T
        means[name] = Agreement(len(rows), float(masks.mean()), float(boxes.mean()), float(np.mean(boxes >= GOOD_IOU)))
    return means


def held_out_scenes(count: int, seed: int) -> Iterator[Example]:
    """Draws scenes of wardrobe products that are never used for training."""
    stream = SceneStream(
        WardrobeCutouts(HELD_OUT_SEED + 1 + seed, count), PipelineConfig(), batch_size=16, training=False
    )
    for batch in stream.iterate():
        yield from zip(batch["photo"], batch["mask"] > 127)


def catalog_photos(catalog: Catalog, most: int) -> Iterator[Example]:
    """Reads an evenly spaced selection of a catalogue's photos with their masks.

    A photo without a mask is used if its background is plain white; the pixels that differ from white are then its
    mask. Other photos are skipped, as are photos that cannot be read.
    """
    photos = [photo for product in catalog.products for photo in product.photos]
    pseudo_truth = BorderSaliency(min_distance=HALO).mask
    for place in range(0, len(photos), -(-len(photos) // most)):
        try:
            pixels = decode(catalog.read(photos[place].uri))
            if photos[place].mask_uri:
                mask = decode(catalog.read(photos[place].mask_uri))[..., 0] > 127
            elif _is_plain(pixels):
                mask = pseudo_truth(pixels)
            else:
                continue
        except UserError:
            continue
        if mask.any():
            yield pixels, mask


def _is_plain(photo: np.ndarray) -> bool:
    edges = (photo[0], photo[-1], photo[:, 0], photo[:, -1])
    return bool(np.median(np.concatenate(edges).min(axis=-1)) >= PLAIN)
