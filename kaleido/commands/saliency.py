"""`kaleido saliency`: trains the network that finds the product in a photo, and measures it."""

from kaleido.commands.command import Command
from kaleido.tasks.saliency.config import SaliencyConfig, SaliencyEvaluation


def train(config: SaliencyConfig) -> None:
    """Trains the saliency network on wardrobe products in composited scenes, or goes on where it was stopped."""
    from kaleido.tasks.saliency.training import SaliencyTraining

    training = SaliencyTraining(config)
    metrics = training.run_train_and_evaluate()
    print(f"held-out scenes: loss {metrics['loss/mask']:.3f}, mask IoU {metrics['iou/mask']:.3f}")
    print(f"written to {training.model_directory}")


def evaluate(config: SaliencyEvaluation) -> None:
    """Measures how well `unet`, `border` and `none` find the product, on held-out scenes and a catalogue's photos."""
    from kaleido.tasks.saliency.evaluation import evaluate_saliencies

    print(evaluate_saliencies(config).table)


COMMAND = {"train": Command(train, SaliencyConfig), "evaluate": Command(evaluate, SaliencyEvaluation)}
