"""A generated catalogue with the ground truth that no public one has: silhouettes and the places of described parts."""

from kaleido.wardrobe.generate import DrawnProduct, draw_cutout, draw_products

__all__ = ["DrawnProduct", "draw_cutout", "draw_products"]
