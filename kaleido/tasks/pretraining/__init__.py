"""Pre-training with the seven tasks of the paper."""
