"""Kaleido: vision-language pre-training for fashion (Kaleido-BERT, CVPR 2021) on Keras 3."""

__version__ = "0.1.0"
