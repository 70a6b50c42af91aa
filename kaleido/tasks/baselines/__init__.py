"""Baselines: a two-tower model and logistic regression on the features of whole photos."""
