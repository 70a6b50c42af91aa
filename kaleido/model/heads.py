"""Heads of the pre-training tasks (paper section 3.5), and of contrastive learning."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import keras
from keras import ops

from kaleido.constants import LEVELS, patch_counts
from kaleido.model.config import ModelConfig
from kaleido.model.contrastive import SIZE, mean_features, unit
from kaleido.model.dropout import Dropout
from kaleido.model.embeddings import initializer
from kaleido.model.encoder import gelu
from kaleido.model.tensors import Tensor

UNREAD = 0.5
"""Share of the texts that contrastive learning embeds by their tokens alone in training, or else the encoder's outputs,
which learn whole titles by heart, would keep the tokens from learning."""


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

    A text is the mean of its outputs, and a photo the mean outputs of its five levels side by side: the output of [CLS]
    and the mean over all patches, of which one in 55 shows the whole product, learn much more slowly. Beside them
    stands what the encoder was given: the mean of the tokens' embeddings, which fits new combinations of words, and
    the levels' mean features through a hidden layer, since a feature has more numbers than the patch embedded of it.

    Attributes:
        scale: Logarithm of the inverse temperature, trainable.
    """

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.text, self.image = (
            keras.layers.Dense(SIZE, kernel_initializer=initializer(config), name=name) for name in ("text", "image")
        )
        self.norms = [
            keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name=f"level{level}_norm")
            for level in LEVELS
        ]
        self.words_norm = keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="words_norm")
        self.read = Dropout(UNREAD)
        self.features = keras.layers.Dense(config.hidden_size, activation=gelu, name="features")
        self.dropout = Dropout(config.dropout)

    def build(self, input_shape: Any) -> None:
        size, features = self.config.hidden_size, self.config.feature_size
        for norm in self.norms:
            norm.build((None, features))
        self.features.build((None, len(LEVELS) * features))
        self.words_norm.build((None, size))
        self.text.build((None, 2 * size))
        self.image.build((None, (len(LEVELS) + 1) * size))
        self.scale = add_scale(self)

    def of_text(self, outputs: Tensor, words: Tensor, mask: Tensor, training: bool | None = None) -> Tensor:
        """Embeds texts.

        Args:
            outputs: Outputs of the tokens, [B, T, H].
            words: Embeddings of the tokens, [B, T, H].
            mask: float32 [B, T], 1 on text.
            training: Whether the outputs of some texts are left out.

        Returns:
            float32 [B, 256].
        """
        weights = ops.cast(mask / ops.sum(mask, axis=1, keepdims=True), outputs.dtype)[..., None]
        bag = self.words_norm(ops.sum(words * ops.cast(weights, words.dtype), axis=1))
        mean = ops.sum(outputs * weights, axis=1) * self.read(ops.ones_like(outputs[:, 0, :1]), training=training)
        return unit(self.text(ops.concatenate([mean, bag], axis=-1)))

    def of_image(self, outputs: Tensor, features: Sequence[Tensor], training: bool | None = None) -> Tensor:
        """Embeds photos.

        Args:
            outputs: Outputs of 55 patches, or of some in each level: [B, n, H].
            features: Features of the same patches, one array [B, n, D] a level.
            training: Whether features are dropped.

        Returns:
            float32 [B, 256].
        """
        ends = list(accumulate(patch_counts(outputs.shape[1])))
        means = [ops.mean(level, axis=1) for level in ops.split(outputs, ends[:-1], axis=1)]
        hidden = self.features(self.dropout(mean_features(features, self.norms), training=training))
        return unit(self.image(ops.concatenate([*means, hidden], axis=-1)))


def add_scale(layer: keras.layers.Layer) -> keras.Variable:
    """Adds the logarithm of the inverse temperature to a layer, initialised as in CLIP."""
    return layer.add_weight((), keras.initializers.Constant(2.66), name="scale")
