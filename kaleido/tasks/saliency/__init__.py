"""Training and evaluation of the saliency network on composited scenes (for the paper's Kaleido Patch Generator)."""
