"""Fashion captioning (the paper's task FC)."""
