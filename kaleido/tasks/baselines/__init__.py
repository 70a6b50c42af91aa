"""Baselines on whole-photo features: a two-tower model for retrieval, logistic regression for recognition."""
