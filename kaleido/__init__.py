"""Kaleido: vision-language pre-training for fashion (Kaleido-BERT, CVPR 2021) on Keras 3."""

from kaleido.errors import UserError

__all__ = ["UserError"]
__version__ = "0.2.0"
