"""`kaleido export`: a saved model as a TensorFlow SavedModel."""

from dataclasses import dataclass

from kaleido.commands.command import Command


@dataclass(frozen=True)
class Export:
    """The model to export.

    Args:
        model: Folder of a saved model, the `model` folder of a run; or its address or name.
        out: Folder of the SavedModel.
    """

    model: str
    out: str


def export(config: Export) -> None:
    """Writes a saved model as a TensorFlow SavedModel, which needs neither Kaleido nor Keras.

    Its signatures are those that the model's task has, such as embed, classify and match.
    """
    from kaleido.pretrained.export import EXTRA
    from kaleido.pretrained.hub import load

    names = load(config.model).export(config.out)
    print(f"{config.out}: a SavedModel with {', '.join(names)}; vocabulary, labels and preparation are in {EXTRA}/")


COMMAND = Command(export, Export)
