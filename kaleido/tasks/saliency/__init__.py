"""Training and evaluation of the saliency network on composited wardrobe scenes (paper section 1.1)."""
