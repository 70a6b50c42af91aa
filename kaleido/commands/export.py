"""`kaleido export`: a saved model for servers without Kaleido, as a TensorFlow SavedModel or as ONNX files."""

from dataclasses import dataclass
from typing import Literal

from kaleido.commands.command import Command


@dataclass(frozen=True)
class Export:
    """The model to export.

    Args:
        model: Folder of a saved model, the `model` folder of a run; or its address or name.
        out: Folder of the SavedModel, or of the ONNX files.
        format: saved_model, a TensorFlow SavedModel that takes photos and texts; or onnx, a file of each function on
            features and one of the backbone.
    """

    model: str
    out: str
    format: Literal["saved_model", "onnx"] = "saved_model"


def export(config: Export) -> None:
    """Writes a saved model for servers that need neither Kaleido nor Keras.

    A SavedModel takes files of photos and strings; its signatures are those that the model's task has, such as
    embed_image, classify and match.
    """
    from kaleido.pretrained.export import EXTRA, FEATURES
    from kaleido.pretrained.hub import load

    names = load(config.model).export(config.out, format=config.format)
    if config.format == "onnx":
        what = f"{', '.join(f'{name}.onnx' for name in names)}"
    else:
        what = f"a SavedModel with {', '.join(names) or 'no signature'}; the one on features is in {FEATURES}/"
    print(f"{config.out}: {what}; vocabulary, labels and preparation are in {EXTRA}/")


COMMAND = Command(export, Export)
