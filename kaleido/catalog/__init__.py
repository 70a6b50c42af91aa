"""Catalogues of products, tables and importers; no deep-learning library is needed."""
