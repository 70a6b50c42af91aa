"""Configuration of training and evaluation of the saliency network."""

from dataclasses import dataclass

from kaleido.ranges import check_range


@dataclass(frozen=True)
class SaliencyConfig:
    """Configuration of the training of the saliency network on composited wardrobe products.

    Args:
        out: Folder of the run: checkpoints, logs, and the trained network in `model`.
        steps: Number of training steps.
        batch_size: Scenes per step.
        learning_rate: Peak learning rate, at the end of the warm-up.
        products: Number of wardrobe products; each appears in a new scene in every epoch.
        seed: Seed of the products, the scenes and the initial weights.
        evaluate_every: Steps between evaluations on held-out scenes.
        save_every: Steps between checkpoints.
        workers: Number of threads that draw scenes.
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
    """Configuration of the evaluation of the saliencies `unet`, `border` and `none`.

    Args:
        catalog: Folder of a catalogue to evaluate on as well: against its masks if it has any, otherwise, for photos
            on plain white, against the pixels that differ from white.
        photos: Largest number of the catalogue's photos, an evenly spaced selection.
        scenes: Number of held-out scenes.
        seed: Seed of the products in the scenes.
        weights: Weights of the network, written by its training; null uses the weights of the package.
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
