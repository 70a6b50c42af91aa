"""Using a model on a whole catalogue: vectors of its photos and texts, an index to search in, and tags."""
