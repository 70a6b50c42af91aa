"""Kaleido-BERT for fashion captioning (the paper's task FC)."""

import keras
from keras import ops

from kaleido.constants import PATCHES
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert, attended

DECODERS = ("causal", "mask_predict")
"""Decoders: token by token from left to right, or all tokens at once at [MASK] positions."""


@keras.saving.register_keras_serializable("kaleido")
class Captioner(keras.Model):
    """Generates the text of a photo with the pre-trained MLM head.

    Reads a batch (`docs/design.md`) and returns `{"caption": logits [B, T, V]}`; the text of the batch is what the
    decoder can see. The logits of the causal decoder predict the token after each position; patches attend to patches
    only, text attends to patches and to earlier text. The logits of `mask_predict` predict the token at each position;
    attention is not restricted. Text positions are those of pre-training, with [CLS] at 0.

    Args:
        config: Architecture.
        decoder: One of `DECODERS`.

    Attributes:
        generator: Random generator for the masking of texts in training.
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
        """Encodes a text [B, T, H] followed by patches [B, 55, H]: the text's outputs [B, T, H].

        The causal decoder does not use `token_mask`.
        """
        length = ops.shape(text)[1]
        mask = causal_mask(length, patches.shape[1]) if self.decoder == "causal" else attended(token_mask, patches)
        sequence = ops.concatenate([text, patches], axis=1)
        return self.bert.encoder(sequence, mask, training=training, queries=length)

    def logits(self, outputs):
        """Computes the logits of tokens: [..., H] -> [..., V]."""
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


def causal_mask(length, patches=PATCHES):
    """Makes the attention mask of text followed by patches, 1 where attended: float32 [1, S, S], S their number.

    Padding needs no mask, because it follows the text, and text attends to earlier positions only.
    """
    place = ops.arange(length + patches)
    is_patch = place >= length
    return ops.cast(is_patch[None, :] | (~is_patch[:, None] & (place[None, :] <= place[:, None])), "float32")[None]
