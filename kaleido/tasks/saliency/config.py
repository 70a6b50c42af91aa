"""The configurations of the saliency network's training and evaluation."""

from dataclasses import dataclass

from kaleido.ranges import check_range


@dataclass(frozen=True)
class SaliencyConfig:
    """Training of the saliency network on composited wardrobe products.

    Args:
        out: Folder of the run: checkpoints, logs, and the trained network in `model`.
        steps: Training steps.
        batch_size: Scenes a step.
        learning_rate: The highest, at the end of the warm-up.
        products: Wardrobe products; each appears in another scene in every epoch.
        seed: Seed of the products, the scenes and the initial weights.
        evaluate_every: Steps between two evaluations on held-out scenes.
        save_every: Steps between two checkpoints.
        workers: Threads that draw scenes.
    """

    out: str
    steps: int = 5000
    batch_size: int = 32
    learning_rate: float = 2e-3
    products: int = 4000
    seed: int = 0
    evaluate_every: int = 1000
    save_every: int = 250
    workers: int = 2

    def __post_init__(self):
        check_range(self, "[1, 1_000_000_000]", "steps", "products", "evaluate_every", "save_every")
        check_range(self, "[1, 10_000]", "batch_size")
        check_range(self, "(0, 1]", "learning_rate")
        check_range(self, "[0, 4_294_967_295]", "seed")  # NumPy's and Keras' seeds have 32 bits
        check_range(self, "[1, 1000]", "workers")


@dataclass(frozen=True)
class SaliencyEvaluation:
    """Measurement of `unet` beside `border` and `none`.

    Args:
        catalog: Folder of a catalogue whose photos are measured as well: against its own masks where it has these,
            against what differs from the background where that is plain white.
        photos: Largest number of the catalogue's photos, evenly chosen.
        scenes: Number of held-out scenes.
        seed: Seed of the products in the scenes.
        weights: Folder of a network that `train` wrote; null measures the one of the package.
        out: JSON file to write the metrics to.
    """

    catalog: str | None = None
    photos: int = 4000
    scenes: int = 500
    seed: int = 0
    weights: str | None = None
    out: str | None = None

    def __post_init__(self):
        check_range(self, "[1, 10_000_000]", "photos", "scenes")
        check_range(self, "[0, 1_000_000]", "seed")
