"""From a photo's bytes to the 74 feature vectors of its kaleido patches.

One photo walks through `photo` (pixels), `saliency` (the product's box), `patches` (the five grids and their
positions), `crops` (74 square pictures) and a network of `backbones`; `features` does this for a stream of photos.
`kaleido_sheet` draws what the model gets to see.
"""
