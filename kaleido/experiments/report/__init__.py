"""Writes the paper's tables and figures with our values beside the paper's."""
