"""Training tasks, one folder per task; each registers itself by name."""
