"""Product detection: mask and box of the product in a photo (paper section 3.1)."""

from kaleido.backend import import_backend
from kaleido.errors import UserError
from kaleido.vision.saliency.base import BorderSaliency, NoSaliency, Saliency, box_of

__all__ = ["SALIENCIES", "BorderSaliency", "NoSaliency", "Saliency", "box_of", "create_saliency"]

SALIENCIES = ("unet", "border", "none")


def create_saliency(name: str, weights: str | None = None) -> Saliency:
    """Creates a saliency method by its name, one of `SALIENCIES`.

    Args:
        name: Name of the method; `unet` needs a deep-learning library.
        weights: Folder of a network for `unet` that `kaleido saliency train` wrote; by default the one that comes with
            the package.

    Raises:
        UserError: if there is none of that name, or its network cannot be read.
    """
    if weights is not None and name != "unet":
        raise UserError(f"saliency {name} has no weights to load; leave them out. Received: {weights}")
    match name:
        case "unet":
            import_backend()
            from kaleido.vision.saliency.unet_saliency import UnetSaliency

            return UnetSaliency(weights)
        case "border":
            return BorderSaliency()
        case "none":
            return NoSaliency()
    raise UserError(f"unknown saliency; choose one of {', '.join(SALIENCIES)}. Received: {name}")
