"""Finds what is wrong in a catalogue: duplicates, mismatches, labels, photos and texts."""
