"""Networks that turn crops into feature vectors, with the common interface `Backbone`."""

from kaleido.backend import import_backend
from kaleido.errors import UserError
from kaleido.vision.backbones.backbone import Backbone

BACKBONES = ("efficientnet_lite0", "resnet50", "random")


def create_backbone(name: str, weights: str | None = None) -> Backbone:
    """Creates a backbone by its name, one of `BACKBONES`.

    Args:
        name: `resnet50` is the paper's; `efficientnet_lite0` comes with its weights; `random` is for tests.
        weights: File of weights; by default those trained on ImageNet.

    Raises:
        UserError: if there is none of that name, or its weights cannot be read or downloaded.
    """
    # Imported on demand: only two of the three need a deep-learning library.
    match name:
        case "efficientnet_lite0":
            import_backend()
            from kaleido.vision.backbones.efficientnet_lite0 import EfficientNetLite0

            return EfficientNetLite0(weights)
        case "resnet50":
            import_backend()
            from kaleido.vision.backbones.resnet50 import ResNet50

            return ResNet50(weights)
        case "random":
            from kaleido.vision.backbones.random_projection import RandomProjection

            if weights is not None:
                raise UserError(f"backbone random has no weights to load; leave them out. Received: {weights}")
            return RandomProjection()
    raise UserError(f"unknown backbone; choose one of {', '.join(BACKBONES)}. Received: {name}")
