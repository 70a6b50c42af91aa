"""Networks that turn crops into feature vectors, with the common interface `Backbone`."""

from kaleido.backend import import_backend
from kaleido.backend import precision as dtype_policy
from kaleido.errors import UserError
from kaleido.vision.backbones.backbone import Backbone

BACKBONES = ("efficientnet_lite0", "resnet50", "random")

_POLICIES = {"float32": "float32", "float16": "mixed_float16"}


def create_backbone(name: str, weights: str | None = None, precision: str = "float32") -> Backbone:
    """Creates a backbone by its name, one of `BACKBONES`.

    Args:
        name: `resnet50` is the paper's; `efficientnet_lite0` comes with its weights; `random` is for tests.
        weights: File of weights; by default those trained on ImageNet.
        precision: `float32`, or `float16`, in which a network multiplies float16 copies of its weights. Its vectors are
            float32 either way.

    Raises:
        UserError: if there is none of that name, or its weights cannot be read or downloaded.
    """
    # Imported on demand: only two of the three need a deep-learning library.
    match name:
        case "efficientnet_lite0":
            import_backend()
            from kaleido.vision.backbones.efficientnet_lite0 import EfficientNetLite0

            with dtype_policy(_POLICIES[precision]):
                return EfficientNetLite0(weights)
        case "resnet50":
            import_backend()
            from kaleido.vision.backbones.resnet50 import ResNet50

            with dtype_policy(_POLICIES[precision]):
                return ResNet50(weights)
        case "random":
            from kaleido.vision.backbones.random_projection import RandomProjection

            if weights is not None:
                raise UserError(f"backbone random has no weights to load; leave them out. Received: {weights}")
            if precision != "float32":
                raise UserError(f"backbone random computes in float32 only. Received: {precision}")
            return RandomProjection()
    raise UserError(f"unknown backbone; choose one of {', '.join(BACKBONES)}. Received: {name}")
