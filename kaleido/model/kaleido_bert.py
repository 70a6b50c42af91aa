"""The model: one stream of words and patches, and a head for each task."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from kaleido.constants import CLASSES, LEVEL_OF_TASK, LEVELS, PATCH_COUNTS, PATCHES, RECONSTRUCTION_TASKS, TASKS
from kaleido.errors import UserError
from kaleido.model.config import LossConfig, ModelConfig
from kaleido.model.embeddings import PatchEmbedding, TextEmbedding, initializer
from kaleido.model.encoder import Encoder
from kaleido.model.heads import ClassificationHead, MaskedWordHead, ReconstructionHead
from kaleido.model.losses import total_loss


@keras.saving.register_keras_serializable("kaleido")
class KaleidoBert(keras.Model):
    """Kaleido-BERT (paper sections 3.3 and 3.4).

    A batch as `docs/design.md` defines it goes in; a dict of logits by task comes out: `mlm` [B, M, V], `itm` [B, 2],
    `rotation` [B, 4], `jigsaw` [B, 24], `camouflage` [B, 9], `grey` [B, 2, D], `blank` [B, 3, D]. Labels are read for
    nothing but the places of masked words and patches. Only the heads in `tasks` are built and computed.

    Args:
        config: The architecture.
        tasks: Which heads to have; a subset of `TASKS`.
        loss_config: How `compile` and `fit` weigh the tasks; the engine of `kaleido.app` passes its own.
    """

    def __init__(
        self,
        config: ModelConfig,
        tasks: Iterable[str] = TASKS,
        loss_config: LossConfig | None = None,
        name: str = "kaleido_bert",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        unknown = sorted(set(tasks) - set(TASKS))
        if unknown:
            raise UserError(f"tasks must be among {', '.join(TASKS)}. Received: {', '.join(unknown)}")
        self.config = config
        self.tasks = tuple(task for task in TASKS if task in set(tasks))
        self.loss_config = loss_config or LossConfig()
        self.text_embedding = TextEmbedding(config, name="text_embedding")
        self.patch_embedding = PatchEmbedding(config, name="patch_embedding")
        self.encoder = Encoder(config, name="encoder")
        self.pooler = keras.layers.Dense(
            config.hidden_size, activation="tanh", kernel_initializer=initializer(config), name="pooler"
        )
        self.heads = {task: self._head(task) for task in self.tasks}
        # Nothing depends on the batch, so that weights can be loaded into a model that has not seen one.
        self.build()

    def _head(self, task):
        if task == "mlm":
            return MaskedWordHead(self.config, name=task)
        if task in RECONSTRUCTION_TASKS:
            return ReconstructionHead(self.config, name=task)
        patches = PATCH_COUNTS[LEVELS.index(LEVEL_OF_TASK[task])] if task in LEVEL_OF_TASK else 1
        return ClassificationHead(self.config, patches, CLASSES[task], name=task)

    def build(self, input_shape=None):
        sequence = (None, None, self.config.hidden_size)
        self.text_embedding.build((None, None))
        self.patch_embedding.build()
        for layer in (self.encoder, self.pooler, *self.heads.values()):
            layer.build(sequence)
        self.built = True

    def copy_body(self, source: "KaleidoBert") -> None:
        """Takes embeddings, encoder and pooler from another model of the same sizes; heads stay as they are."""
        for layer in ("text_embedding", "patch_embedding", "encoder", "pooler"):
            getattr(self, layer).set_weights(getattr(source, layer).get_weights())

    def embed_text(self, batch, training=None):
        """What the encoder reads of the texts: [B, T, H]."""
        return self.text_embedding(batch["token_ids"], batch.get("token_types"), training=training)

    def embed_patches(self, batch, training=None):
        """What the encoder reads of the photos: [B, 55, H]."""
        return self.patch_embedding([batch[f"level{level}"] for level in LEVELS], batch["positions"], training=training)

    def read_text(self, batch):
        """What a text gives before it meets a photo, [B, T, 4 H]: its embedding and the first layer's part of it."""
        return self._read(self.embed_text(batch))

    def read_patches(self, batch):
        """The same of a photo, [B, 55, 4 H]."""
        return self._read(self.embed_patches(batch))

    def match(self, text, token_mask, patches):
        """The logits of `itm` [B, 2]; nothing is computed that they do not depend on.

        Args:
            text: [B, T, 4 H], of `read_text`.
            token_mask: int32 [B, T].
            patches: [B, 55, 4 H], of `read_patches`.
        """
        sequence, size = ops.concatenate([text, patches], axis=1), self.config.hidden_size
        values, projected = sequence[..., :size], sequence[..., size:]
        first = self.encoder(values, attended(token_mask), queries=1, projected=projected)
        return self.heads["itm"](self.pooler(first[:, 0]))

    def _read(self, embedded):
        return ops.concatenate([embedded, self.encoder.project(embedded)], axis=-1)

    def encode(self, batch, training=None):
        """Runs embeddings and encoder.

        Returns:
            text [B, T, H], patches as five arrays [B, n, H] level by level, pooled [B, H] (the [CLS] output through a
            dense layer and tanh).
        """
        text = self.embed_text(batch, training=training)
        patches = self.embed_patches(batch, training=training)
        sequence = self.encoder(
            ops.concatenate([text, patches], axis=1), attended(batch["token_mask"]), training=training
        )
        length = ops.shape(batch["token_ids"])[1]
        levels, start = [], length
        for count in PATCH_COUNTS:
            levels.append(sequence[:, start : start + count])
            start += count
        return sequence[:, :length], levels, self.pooler(sequence[:, 0])

    def call(self, batch, training=None):
        text, levels, pooled = self.encode(batch, training=training)
        logits = {}
        for task, head in self.heads.items():
            if task == "mlm":
                logits[task] = head(_at(text, batch["mlm_positions"]), self.text_embedding.token.embeddings)
            elif task == "itm":
                logits[task] = head(pooled)
            else:
                level = levels[LEVELS.index(LEVEL_OF_TASK[task])]
                masked = task in RECONSTRUCTION_TASKS
                logits[task] = head(_at(level, batch[f"{task}_positions"]) if masked else level)
        return logits

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of the tasks' losses, for `compile` and `fit`: the labels are in the batch itself."""
        return total_loss(y_pred, x, self.loss_config, self.config.compatibility)[0]

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict(), "tasks": list(self.tasks)}

    @classmethod
    def from_config(cls, config):
        return cls(ModelConfig.from_dict(config["config"]), config["tasks"], name=config["name"])


def attended(token_mask):
    """float32 [B, T + 55]: every patch is always attended to; a text's padding never."""
    return ops.pad(ops.cast(token_mask, "float32"), ((0, 0), (0, PATCHES)), constant_values=1.0)


def _at(values, positions):
    """Picks [B, n, H] out of [B, S, H] at positions int32 [B, n]."""
    return ops.take_along_axis(values, positions[:, :, None], axis=1)
