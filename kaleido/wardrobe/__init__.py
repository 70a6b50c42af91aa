"""The wardrobe: a generated catalogue with silhouettes and the places of described parts as ground truth."""

from kaleido.wardrobe.generate import DrawnProduct, draw_cutout, draw_products

__all__ = ["DrawnProduct", "draw_cutout", "draw_products"]
