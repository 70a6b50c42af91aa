"""A small U-Net that marks the product, and the scenes that it is trained on (paper, section 1.1)."""
