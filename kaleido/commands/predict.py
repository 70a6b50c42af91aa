"""`kaleido predict`: what a trained model makes of photos and texts, without records."""

import sys

from kaleido.commands.command import Command
from kaleido.pretrained.config import PredictConfig


def predict(config: PredictConfig) -> None:
    """Predicts photos and texts with a saved model: the class, a caption, or whether they belong together."""
    from kaleido.pretrained import predictions

    found = predictions.predict(config)
    for note in found.notes:
        print(f"kaleido predict: {note}", file=sys.stderr)
    print(found)


COMMAND = Command(predict, PredictConfig)
