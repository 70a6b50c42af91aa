"""The paper's experiments as data: from overrides to stages, and running them (`docs/experiments.md`)."""
