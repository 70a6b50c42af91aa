"""Pre-training on the seven tasks (paper sections 3.3 to 3.5)."""
