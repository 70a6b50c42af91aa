"""Evaluation of saliencies, on scenes whose masks are known and on the photos of a catalogue."""

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
"""A border counts as white if half of its pixels are at least this bright in every channel."""

HALO = 30.0
"""Differences from white that JPEG leaves around a product in a small photo stay below this; at the 12 of `border`, two
pixels of them count as product on either side."""

GOOD_IOU = 0.8
"""Smallest intersection over union of a good box."""

Example = tuple[np.ndarray, np.ndarray]
"""A photo, uint8 [H, W, 3], and its true mask, bool [H, W]."""


@dataclass(frozen=True)
class Agreement:
    """Means over photos.

    Attributes:
        photos: Number of photos.
        mask_iou: Intersection over union of masks.
        box_iou: Intersection over union of boxes.
        good_boxes: Share of the boxes whose IoU is at least `GOOD_IOU`.
    """

    photos: int
    mask_iou: float
    box_iou: float
    good_boxes: float


def evaluate_saliencies(config: SaliencyEvaluation) -> Result:
    """Measures every saliency on held-out scenes and, if one is given, on the photos of a catalogue.

    Raises:
        UserError: if the catalogue or the weights cannot be read, or nothing can be measured.
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
    """Measures saliencies on some photos.

    Args:
        saliencies: Saliencies by name.
        examples: Photos with their true masks.
        total: Largest number of photos, for the progress bar.

    Raises:
        UserError: if there is no example.
    """
    values = {name: [] for name in saliencies}
    for photo, true in tqdm(examples, total=total, desc="saliency", unit="photo", leave=False):
        for name, saliency in saliencies.items():
            found = saliency.mask(photo)
            values[name].append((mask_iou(found, true), box_iou(box_of(found), box_of(true))))
    if not all(values.values()):
        raise UserError("not one photo has a known mask or stands before plain white; nothing can be measured")
    means = {}
    for name, rows in values.items():
        masks, boxes = np.array(rows).T
        means[name] = Agreement(len(rows), float(masks.mean()), float(boxes.mean()), float(np.mean(boxes >= GOOD_IOU)))
    return means


def held_out_scenes(count: int, seed: int) -> Iterator[Example]:
    """Draws scenes of wardrobe products that no training of the network has seen."""
    stream = SceneStream(
        WardrobeCutouts(HELD_OUT_SEED + 1 + seed, count), PipelineConfig(), batch_size=16, training=False
    )
    for batch in stream.iterate():
        yield from zip(batch["photo"], batch["mask"] > 127)


def catalog_photos(catalog: Catalog, most: int) -> Iterator[Example]:
    """Reads photos of a catalogue, evenly chosen, with their true masks if it has these, as the wardrobe does.

    Otherwise only photos on plain white are taken, and what differs from white counts as product; the others are
    skipped, and so are photos that cannot be read.
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
