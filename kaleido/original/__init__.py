"""The original TensorFlow 1 release: its data files, its checkpoints, and parity with its results."""
