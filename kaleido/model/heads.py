"""Heads of the pre-training tasks (paper section 3.5), and of contrastive learning."""

from typing import Any

import keras
from keras import ops

from kaleido.model.config import ModelConfig
from kaleido.model.contrastive import SIZE, unit
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
    """Projects the outputs of an encoder that read a text alone, or patches alone, to embeddings of length 1.

    Attributes:
        scale: Logarithm of the inverse temperature, trainable.
    """

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.text, self.image = (
            keras.layers.Dense(SIZE, kernel_initializer=initializer(config), name=name) for name in ("text", "image")
        )

    def build(self, input_shape: Any) -> None:
        shape = (None, input_shape[-1])
        self.text.build(shape)
        self.image.build(shape)
        self.scale = add_scale(self)

    def of_text(self, outputs: Tensor) -> Tensor:
        """Embeds texts by the output of [CLS]: [B, T, H] -> float32 [B, 256]."""
        return unit(self.text(outputs[:, 0]))

    def of_image(self, outputs: Tensor) -> Tensor:
        """Embeds photos by the mean output of their patches: [B, 55, H] -> float32 [B, 256]."""
        return unit(self.image(ops.mean(outputs, axis=1)))


def add_scale(layer: keras.layers.Layer) -> keras.Variable:
    """Adds the logarithm of the inverse temperature to a layer, initialised as in CLIP."""
    return layer.add_weight((), keras.initializers.Constant(2.66), name="scale")
