"""An HTTP server over an index or a model, and the search page that it serves."""
