"""The original TensorFlow 1 release: its data files, its checkpoint, and parity with its values."""
