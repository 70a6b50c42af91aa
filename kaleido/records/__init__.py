"""Prepared photos: how records are built and read, masked, corrupted and batched."""
