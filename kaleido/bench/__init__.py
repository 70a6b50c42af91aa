"""Benchmarks: speed of each step on this machine, as a share of the hardware's limit."""
