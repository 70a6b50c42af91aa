"""Preparation of photos and texts in TensorFlow operations, for SavedModels that take files and strings.

Each module does what one part of the package does in Python: `decoding` what `kaleido.vision.photo` does, `resizing`
what Pillow's filters do, `saliency` and `photos` the rest of `kaleido.vision`, `texts` what `kaleido.text` does.
"""
