"""Benchmarks: how fast each step runs on this machine, and how far that is from the hardware's limit."""
