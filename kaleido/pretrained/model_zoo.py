"""EasyTransfer's name of `kaleido.load`."""

from kaleido.pretrained.hub import load as get_pretrained_model

__all__ = ["get_pretrained_model"]
