"""A trained model in use: photos and texts in, vectors, classes, matches and captions out."""
