"""Kaleido-BERT for fashion captioning (paper section 4.2, FC)."""

import keras
from keras import ops

from kaleido.constants import PATCHES
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert, attended

DECODERS = ("causal", "mask_predict")
"""Token by token from left to right, or all at once where the text is [MASK]."""


@keras.saving.register_keras_serializable("kaleido")
class Captioner(keras.Model):
    """Generates the text of a photo with the pre-trained MLM head.

    Reads a batch (`docs/design.md`) whose text is what the decoder may see, and gives `{"caption": logits [B, T, V]}`.
    A causal decoder's logits are of the token after each position; there patches attend to patches, and text to
    patches and leftwards to text. Those of `mask_predict` are of the token at each position, and everything attends to
    everything. The text keeps the positions that it had in pre-training, [CLS] at 0.

    Args:
        config: The architecture.
        decoder: One of `DECODERS`.

    Attributes:
        generator: Draws what a text shows in training.
    """

    def __init__(self, config: ModelConfig, decoder: str, name: str = "captioner", **kwargs):
        super().__init__(name=name, **kwargs)
        self.config, self.decoder = config, decoder
        self.bert = KaleidoBert(config, tasks=("mlm",))
        self.generator = keras.random.SeedGenerator()
        self.build()

    def build(self, input_shape=None):
        self.built = True

    def call(self, batch, training=None):
        text = self.bert.embed_text(batch, training=training)
        patches = self.bert.embed_patches(batch, training=training)
        return {"caption": self.logits(self.encode(text, patches, batch["token_mask"], training=training))}

    def encode(self, text, patches, token_mask, training=None):
        """Outputs [B, T, H] of a text [B, T, H] before patches [B, 55, H]; a causal decoder needs no mask."""
        length = ops.shape(text)[1]
        mask = causal_mask(length) if self.decoder == "causal" else attended(token_mask)
        sequence = ops.concatenate([text, patches], axis=1)
        return self.bert.encoder(sequence, mask, training=training, queries=length)

    def logits(self, outputs):
        """Logits of tokens: [..., H] -> [..., V]."""
        return self.bert.heads["mlm"](outputs, self.bert.text_embedding.token.embeddings)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the heads."""
        return ("caption",)

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict(), "decoder": self.decoder}

    @classmethod
    def from_config(cls, config):
        return cls(ModelConfig.from_dict(config["config"]), config["decoder"], name=config["name"])


def causal_mask(length):
    """Who attends to whom in text before patches: float32 [1, length + 55, length + 55].

    Padding needs no mask of its own: it follows the text, which never looks there.
    """
    place = ops.arange(length + PATCHES)
    is_patch = place >= length
    return ops.cast(is_patch[None, :] | (~is_patch[:, None] & (place[None, :] <= place[:, None])), "float32")[None]
