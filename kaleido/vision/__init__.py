"""Vision: from a photo's bytes to the 74 feature vectors of its kaleido patches.

A photo goes through `photo` (pixels), `saliency` (the product's box), `patches` (the five grids and their
positions), `crops` (74 square pictures) and a network of `backbones`; `features` does this for a stream of photos.
`product` keeps what alignment needs; `kaleido_sheet` draws
the patches.
"""
