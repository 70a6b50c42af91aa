"""The network: tokens and kaleido patches in, logits by task out. Keras 3 ops only."""
