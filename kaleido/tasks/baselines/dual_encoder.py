"""The plain model that anyone would try first for retrieval: a text tower and a photo tower that meet in a product."""

import keras
from keras import ops

from kaleido.tasks.matching.two_tower import contrastive_losses


@keras.saving.register_keras_serializable("kaleido")
class DualEncoder(keras.Model):
    """Bags of words and features of whole photos, each as a direction in a common space.

    A batch of `token_ids` int32 [B, T], 0 beyond the text, and `features` float32 [B, D] goes in; texts and photos,
    both [B, E] of length 1, come out.

    Args:
        vocab_size: Word pieces.
        feature_size: Length D of a photo's features.
        size: Length E of the directions.
        width: Of the photo tower's hidden layer.
        dropout: On the photo's features and its hidden layer.
    """

    def __init__(self, vocab_size, feature_size, size=256, width=1024, dropout=0.2, name="dual_encoder", **kwargs):
        super().__init__(name=name, **kwargs)
        self.sizes = {
            "vocab_size": vocab_size,
            "feature_size": feature_size,
            "size": size,
            "width": width,
            "dropout": dropout,
        }
        self.words = keras.layers.Embedding(vocab_size, size, embeddings_initializer="random_normal", name="words")
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.hidden = keras.layers.Dense(width, activation="gelu", name="hidden")
        self.output_projection = keras.layers.Dense(size, name="output")
        self.dropout = keras.layers.Dropout(dropout)
        self.build()

    def build(self, input_shape=None):
        self.words.build()
        self.norm.build((None, self.sizes["feature_size"]))
        self.hidden.build((None, self.sizes["feature_size"]))
        self.output_projection.build((None, self.sizes["width"]))
        # The logarithm of what cosines are multiplied with; starts as CLIP's does.
        self.scale = self.add_weight((), keras.initializers.Constant(2.66), name="scale")
        self.built = True

    def call(self, batch, training=None):
        return self.texts(batch["token_ids"]), self.photos(batch["features"], training)

    def texts(self, token_ids):
        """Directions of texts, [B, E]."""
        present = ops.cast(token_ids != 0, "float32")[..., None]
        return ops.normalize(ops.sum(self.words(token_ids) * present, axis=1))

    def photos(self, features, training=None):
        """Directions of photos, [B, E]."""
        features = self.dropout(self.norm(features), training=training)
        hidden = self.dropout(self.hidden(features), training=training)
        return ops.normalize(self.output_projection(hidden))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The mean of `contrastive_losses`."""
        texts, photos = y_pred
        return ops.mean(contrastive_losses(ops.exp(self.scale) * ops.matmul(photos, ops.transpose(texts))))

    def get_config(self):
        return {"name": self.name, **self.sizes}
