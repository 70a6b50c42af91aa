"""Computes the 74 feature vectors of a photo's kaleido patches from its bytes.

A photo passes through `photo` (pixels), `saliency` (the product's box), `patches` (the five grids and their
positions), `crops` (74 square pictures) and a network of `backbones`; `features` does this for a stream of photos.
`kaleido_sheet` draws the patches.
"""
