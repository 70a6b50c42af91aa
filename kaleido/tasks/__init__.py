"""The training tasks, one folder each; each registers itself by name."""
