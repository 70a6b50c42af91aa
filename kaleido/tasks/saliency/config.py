"""How the saliency net is trained."""

from dataclasses import dataclass

from kaleido.ranges import check_range


@dataclass(frozen=True)
class SaliencyConfig:
    """Training of the saliency net on composited wardrobe products.

    Args:
        out: Folder of the run: checkpoints, logs, and the trained network in `model`.
        steps: Training steps.
        batch_size: Scenes a step.
        learning_rate: The highest, at the end of the warm-up.
        products: Wardrobe products; each appears in another scene in every epoch.
        seed: Of the products, the scenes and the initial weights.
        evaluate_every: Steps between two looks at held-out scenes.
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
