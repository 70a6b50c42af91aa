"""The part of a batch that one device of several has.

On JAX, functions of a training see the whole batch and the compiler divides the work. On TensorFlow each device runs
them on its own rows: a function that compares rows of the whole batch asks here.
"""

from typing import Any

from kaleido.backend import keras


def gathered(values: Any) -> Any:
    """Returns the rows of all devices, in order, whose gradients flow back to them: [B, ...] -> [N, ...]."""
    context = _context()
    return values if context is None else context.all_gather(values, axis=0)


def first_row(rows: Any) -> Any:
    """Returns the place in `gathered` of this device's first row, given how many it has; int32 or 0."""
    context = _context()
    return 0 if context is None else context.replica_id_in_sync_group * rows


def _context() -> Any:
    """Returns TensorFlow's replica context inside a training on several devices, else None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
