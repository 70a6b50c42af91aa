"""Heads of the pre-training tasks (paper section 3.5), and of contrastive learning."""

from itertools import accumulate
from typing import Any

import keras
from keras import ops

from kaleido.constants import LEVELS, patch_counts
from kaleido.model.config import ModelConfig
from kaleido.model.contrastive import SIZE, WIDTH, unit
from kaleido.model.dropout import Dropout
from kaleido.model.embeddings import initializer
from kaleido.model.encoder import gelu
from kaleido.model.tensors import Tensor


@keras.saving.register_keras_serializable("kaleido")
class MaskedWordHead(keras.layers.Layer):
    """MLM head of BERT with tied embeddings: masked positions [B, M, H] and token table [V, H] -> logits [B, M, V]."""

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.transform = keras.layers.Dense(
            config.hidden_size, activation=gelu, kernel_initializer=initializer(config), name="transform"
        )
        self.norm = keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="norm")

    def build(self, input_shape: Any) -> None:
        self.transform.build(input_shape)
        self.norm.build(input_shape)
        self.bias = self.add_weight((self.config.vocab_size,), "zeros", name="bias")

    def call(self, values: Tensor, table: Tensor) -> Tensor:
        transformed = self.norm(self.transform(values))
        return ops.matmul(transformed, ops.transpose(ops.cast(table, transformed.dtype))) + self.bias


@keras.saving.register_keras_serializable("kaleido")
class ClassificationHead(keras.layers.Layer):
    """Dense layer over the concatenated outputs of a level: [B, n, H] or [B, H] -> logits [B, classes]."""

    def __init__(self, config: ModelConfig, patches: int, classes: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = patches * config.hidden_size
        self.dense = keras.layers.Dense(classes, kernel_initializer=initializer(config), name="output")

    def build(self, input_shape: Any = None) -> None:
        self.dense.build((None, self.size))

    def call(self, values: Tensor) -> Tensor:
        return self.dense(ops.reshape(values, (-1, self.size)))


@keras.saving.register_keras_serializable("kaleido")
class ReconstructionHead(keras.layers.Layer):
    """Dense layer without bias that predicts features of masked patches: [B, n, H] -> [B, n, D]."""

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(
            config.feature_size, use_bias=False, kernel_initializer=initializer(config), name="output"
        )

    def build(self, input_shape: Any) -> None:
        self.dense.build(input_shape)

    def call(self, values: Tensor) -> Tensor:
        return self.dense(values)


@keras.saving.register_keras_serializable("kaleido")
class ContrastiveHead(keras.layers.Layer):
    """Projects vectors of a text's tokens or of a photo's patches to embeddings of length 1.

    The vectors are the encoder's outputs or its inputs, as `contrastive_reads` says. A text is their mean, and a photo
    the means of its five levels side by side: the output of [CLS] and the mean over all patches, of which one in 55
    shows the whole product, learn much more slowly.

    Attributes:
        scale: Logarithm of the inverse temperature, trainable.
    """

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.norm = keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="norm")
        self.hidden = keras.layers.Dense(WIDTH, activation=gelu, kernel_initializer=initializer(config), name="hidden")
        self.text, self.image = (
            keras.layers.Dense(SIZE, kernel_initializer=initializer(config), name=name) for name in ("text", "image")
        )
        self.dropout = Dropout(config.dropout)

    def build(self, input_shape: Any) -> None:
        size = self.config.hidden_size
        self.norm.build((None, size))
        self.text.build((None, size))
        self.hidden.build((None, len(LEVELS) * size))
        self.image.build((None, WIDTH))
        self.scale = add_scale(self)

    def of_text(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Embeds texts: vectors of tokens [B, T, H] and mask float32 [B, T], 1 on text -> float32 [B, 256]."""
        weights = ops.cast(mask / ops.sum(mask, axis=1, keepdims=True), tokens.dtype)
        return unit(self.text(self.norm(ops.sum(tokens * weights[..., None], axis=1))))

    def of_image(self, patches: Tensor, training: bool | None = None) -> Tensor:
        """Embeds photos: vectors [B, n, H] of 55 patches, or of some in each level -> float32 [B, 256]."""
        ends = list(accumulate(patch_counts(patches.shape[1])))
        means = [ops.mean(level, axis=1) for level in ops.split(patches, ends[:-1], axis=1)]
        hidden = self.hidden(ops.concatenate(means, axis=-1))
        return unit(self.image(self.dropout(hidden, training=training)))


def add_scale(layer: keras.layers.Layer) -> keras.Variable:
    """Adds the logarithm of the inverse temperature to a layer, initialised as in CLIP."""
    return layer.add_weight((), keras.initializers.Constant(2.66), name="scale")
