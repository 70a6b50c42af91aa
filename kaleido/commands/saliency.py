"""`python -m kaleido saliency`: trains the net that finds the product in a photo, and measures it."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from kaleido import configuration
from kaleido.atomic import write_atomically
from kaleido.backend import import_backend
from kaleido.catalog.catalog import Catalog
from kaleido.commands.arguments import ArgumentParser
from kaleido.ranges import check_range
from kaleido.tasks.saliency.config import SaliencyConfig

PROG = "python -m kaleido saliency"


@dataclass(frozen=True)
class SaliencyEvaluation:
    """Measures `unet` beside `border` and `none`.

    Args:
        catalog: Folder of a catalogue whose photos are measured as well: against its own masks where it has these,
            against what differs from the background where that is plain white.
        photos: Photos of the catalogue at most, evenly chosen.
        scenes: Held-out scenes.
        seed: Of their products.
        weights: Of the net, as `train` wrote them; those that are shipped if empty.
        out: Also write the figures there, as JSON.
    """

    catalog: str = ""
    photos: int = 4000
    scenes: int = 500
    seed: int = 0
    weights: str = ""
    out: str = ""

    def __post_init__(self):
        check_range(self, "[1, 10_000_000]", "photos", "scenes")
        check_range(self, "[0, 1_000_000]", "seed")


def main(argv: list[str]) -> int:
    """Runs `train` or `evaluate`; returns the exit code."""
    parser = ArgumentParser(prog=PROG, description=__doc__.partition(": ")[2])
    parser.add_argument("action", choices=ACTIONS, help=f"`{PROG} train --help` tells more, and so for the other")
    return ACTIONS[parser.parse_args(argv[:1]).action](argv[1:])


def _train(argv: list[str]) -> int:
    description = "Trains the saliency net on wardrobe products in composited scenes; goes on where it was stopped."
    config = configuration.parse(SaliencyConfig, argv, f"{PROG} train", description)
    import_backend()
    from kaleido.app.engine import Interrupted
    from kaleido.tasks.saliency.training import MODEL_FOLDER, SaliencyTraining

    try:
        metrics = SaliencyTraining(config).run_train_and_evaluate()
    except Interrupted as interruption:
        print(f"kaleido saliency: {interruption}", file=sys.stderr)
        return 128 + interruption.signal_number
    print(f"held-out scenes: loss {metrics['loss/mask']:.3f}, mask IoU {metrics['iou/mask']:.3f}")
    print(f"written to {Path(config.out) / MODEL_FOLDER}")
    return 0


def _evaluate(argv: list[str]) -> int:
    config = configuration.parse(SaliencyEvaluation, argv, f"{PROG} evaluate", SaliencyEvaluation.__doc__)
    catalog = Catalog.open(Path(config.catalog)) if config.catalog else None
    import_backend()
    from kaleido.tasks.saliency.evaluation import catalog_photos, held_out_scenes, measure
    from kaleido.vision.saliency import SALIENCIES, create_saliency

    weights = {"unet": config.weights or None}
    saliencies = {name: create_saliency(name, weights.get(name)) for name in SALIENCIES}
    results = {"held-out scenes": measure(saliencies, held_out_scenes(config.scenes, config.seed), config.scenes)}
    if catalog:
        results[catalog.name] = measure(saliencies, catalog_photos(catalog, config.photos), config.photos)
    print("| photos | | saliency | mask IoU | box IoU | good boxes |\n|---|---:|---|---:|---:|---:|")
    for source, found in results.items():
        for name, values in found.items():
            shares = f"{values.mask_iou:.3f} | {values.box_iou:.3f} | {values.good_boxes:.1%}"
            print(f"| {source} | {values.photos} | {name} | {shares} |")
    if config.out:
        figures = {source: {name: asdict(one) for name, one in found.items()} for source, found in results.items()}
        write_atomically(Path(config.out), json.dumps(figures, indent=1).encode() + b"\n")
    return 0


ACTIONS = {"train": _train, "evaluate": _evaluate}
