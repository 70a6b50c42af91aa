"""The `tf.data` view of the batches."""

from typing import TYPE_CHECKING

from kaleido.records.stream import BatchStream

if TYPE_CHECKING:
    import tensorflow as tf


def as_tf_dataset(pipeline: BatchStream, first_step: int = 0, last_step: int | None = None) -> "tf.data.Dataset":
    """The batches of a pipeline for `fit`, `tf.distribute` or a loop of one's own; needs TensorFlow.

    Args:
        pipeline: Whose batches.
        first_step: Where to begin.
        last_step: Where to end, as for `BatchStream.iterate`.

    Returns:
        A dataset of dicts; the number of rows and of text positions is left open in its signature.
    """
    import tensorflow as tf

    open_shapes = dict.fromkeys(("token_ids", "token_mask", "token_types"), (None, None))
    signature = {
        name: tf.TensorSpec(open_shapes.get(name, (None, *array.shape[1:])), array.dtype)
        for name, array in pipeline.batch(first_step).items()
    }
    return tf.data.Dataset.from_generator(
        lambda: pipeline.iterate(first_step, last_step), output_signature=signature
    ).prefetch(1)
