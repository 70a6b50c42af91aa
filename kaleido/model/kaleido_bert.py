"""Kaleido-BERT: one transformer over tokens and kaleido patches, with a head for each pre-training task."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from kaleido.constants import (
    CLASSES,
    CONTRASTIVE,
    EVERY_TASK,
    LEVEL_OF_TASK,
    LEVEL_SLICES,
    LEVELS,
    PATCH_COUNTS,
    RECONSTRUCTION_TASKS,
    TASKS,
)
from kaleido.errors import UserError
from kaleido.model.config import LossConfig, ModelConfig
from kaleido.model.contrastive import contrastive_logits, drawn_negatives, whole_texts
from kaleido.model.embeddings import PatchEmbedding, TextEmbedding, initializer
from kaleido.model.encoder import Encoder
from kaleido.model.heads import ClassificationHead, ContrastiveHead, MaskedWordHead, ReconstructionHead
from kaleido.model.losses import total_loss
from kaleido.model.tensors import Batch, Tensor

_MASKED_TASKS = ("mlm", *RECONSTRUCTION_TASKS)


@keras.saving.register_keras_serializable("kaleido")
class KaleidoBert(keras.Model):
    """Kaleido-BERT (paper sections 3.4 and 3.5), from a batch (`docs/design.md`) to logits by task.

    Logits are `mlm` [B, M, V], `itm` [B, 2], `rotation` [B, 4], `jigsaw` [B, 24], `camouflage` [B, 9], `grey`
    [B, 2, D] and `blank` [B, 3, D]. No labels are needed: of them only the positions of masked tokens and patches
    (`mlm_positions`, `grey_positions`, `blank_positions`) are read. At inference a task without positions in the batch
    is left out.

    With the task `itc`, which is not part of the paper, the same encoder also reads the text alone, without masks, and
    the patches alone: logits `itc` are those of `contrastive_logits`. Where the batch has `itm_draws`, `itm` is
    [B, 3, 2]: of the pair, of its photo with another row's text, and of its text with another row's photo.

    Args:
        config: Architecture.
        tasks: Tasks to build heads for, a subset of `EVERY_TASK`.
        loss_config: Weights of the tasks' losses in `fit`; applications pass theirs to the losses themselves.
        name: Name of the Keras model.
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
        chosen = set(tasks)
        if unknown := sorted(chosen - set(EVERY_TASK)):
            raise UserError(f"tasks must be among {', '.join(EVERY_TASK)}. Received: {', '.join(unknown)}")
        self.config = config
        self.tasks = tuple(task for task in EVERY_TASK if task in chosen)
        self.loss_config = loss_config or LossConfig()
        self.text_embedding = TextEmbedding(config, name="text_embedding")
        self.patch_embedding = PatchEmbedding(config, name="patch_embedding")
        self.encoder = Encoder(config, name="encoder")
        self.pooler = keras.layers.Dense(
            config.hidden_size, activation="tanh", kernel_initializer=initializer(config), name="pooler"
        )
        self.heads = {task: self._head(task) for task in self.tasks}
        # No shape depends on the batch, so weights can be loaded into a model that has not seen one.
        self.build()

    def _head(self, task: str) -> keras.layers.Layer:
        if task == "mlm":
            return MaskedWordHead(self.config, name=task)
        if task in RECONSTRUCTION_TASKS:
            return ReconstructionHead(self.config, name=task)
        if task == CONTRASTIVE:
            return ContrastiveHead(self.config, name=task)
        patches = PATCH_COUNTS[LEVELS.index(LEVEL_OF_TASK[task])] if task in LEVEL_OF_TASK else 1
        return ClassificationHead(self.config, patches, CLASSES[task], name=task)

    def build(self, input_shape: Any = None) -> None:
        sequence = (None, None, self.config.hidden_size)
        self.text_embedding.build((None, None))
        self.patch_embedding.build()
        for layer in (self.encoder, self.pooler, *self.heads.values()):
            layer.build(sequence)
        self.built = True

    def copy_body(self, source: "KaleidoBert") -> None:
        """Copies embeddings, encoder and pooler, but no heads, from another model of the same sizes."""
        for layer in ("text_embedding", "patch_embedding", "encoder", "pooler"):
            getattr(self, layer).set_weights(getattr(source, layer).get_weights())

    def copy_heads(self, source: "KaleidoBert") -> tuple[str, ...]:
        """Copies the heads that another model of the same sizes has as well; returns the tasks of the others."""
        for task in self.heads.keys() & source.heads.keys():
            self.heads[task].set_weights(source.heads[task].get_weights())
        return tuple(task for task in self.tasks if task not in source.heads)

    def embed_text(self, batch: Batch, training: bool | None = None) -> Tensor:
        """Embeds the texts for the encoder: [B, T, H]."""
        return self.text_embedding(batch["token_ids"], batch.get("token_types"), training=training)

    def embed_patches(self, batch: Batch, training: bool | None = None) -> Tensor:
        """Embeds the patches for the encoder: [B, 55, H]."""
        return self.patch_embedding([batch[f"level{level}"] for level in LEVELS], batch["positions"], training=training)

    def read_text(self, batch: Batch) -> Tensor:
        """Computes the part of `match` that depends on the texts alone: [B, T, 4 H].

        These are the embeddings and the first layer's queries, keys and values.
        """
        return self._read(self.embed_text(batch))

    def read_patches(self, batch: Batch) -> Tensor:
        """Computes the part of `match` that depends on the photos alone: [B, 55, 4 H], as in `read_text`."""
        return self._read(self.embed_patches(batch))

    def match(self, text: Tensor, token_mask: Tensor, patches: Tensor) -> Tensor:
        """Computes the logits of `itm` [B, 2] without those of other tasks.

        Args:
            text: Result of `read_text`, [B, T, 4 H].
            token_mask: int32 [B, T], 1 on text.
            patches: Result of `read_patches`, [B, 55, 4 H].
        """
        sequence, size = ops.concatenate([text, patches], axis=1), self.config.hidden_size
        values, projected = sequence[..., :size], sequence[..., size:]
        first = self.encoder(values, attended(token_mask, patches), queries=1, projected=projected)
        return self.heads["itm"](self.pooler(first[:, 0]))

    @property
    def scale(self) -> keras.Variable:
        """Logarithm of the inverse temperature of `itc`."""
        return self.heads[CONTRASTIVE].scale

    def text_embeddings(self, batch: Batch, training: bool | None = None) -> Tensor:
        """Embeds texts, read alone and whole, for comparison with photos: float32 [B, 256] of length 1."""
        tokens, mask = whole_texts(batch), ops.cast(batch["token_mask"], "float32")
        if self.config.contrastive_reads == "embeddings":
            # Without position and norm, so that a word can weigh as little as it tells.
            values = self.text_embedding.token(tokens)
        else:
            embedded = self.text_embedding(tokens, batch.get("token_types"), training=training)
            values = self.encoder(embedded, mask, training=training)
        return self.heads[CONTRASTIVE].of_text(values, mask)

    def image_embeddings(self, batch: Batch, training: bool | None = None) -> Tensor:
        """Embeds photos, read alone, for comparison with texts: float32 [B, 256] of length 1."""
        return self._image_embeddings(self.embed_patches(batch, training=training), training)

    def _image_embeddings(self, patches: Tensor, training: bool | None) -> Tensor:
        if self.config.contrastive_reads == "outputs":
            patches = self.encoder(patches, ops.ones(ops.shape(patches)[:2], "float32"), training=training)
        return self.heads[CONTRASTIVE].of_image(patches, training)

    def _read(self, embedded: Tensor) -> Tensor:
        return ops.concatenate([embedded, self.encoder.project(embedded)], axis=-1)

    def encode(self, batch: Batch, training: bool | None = None) -> tuple[Tensor, list[Tensor], Tensor]:
        """Runs embeddings and encoder.

        Returns:
            Outputs of the text [B, T, H], of the patches, one array [B, n, H] a level, and pooled [B, H]: the [CLS]
            output through a dense layer and tanh.
        """
        embedded = self.embed_text(batch, training=training), self.embed_patches(batch, training=training)
        return self._encode(*embedded, batch["token_mask"], training)

    def _encode(
        self, text: Tensor, patches: Tensor, token_mask: Tensor, training: bool | None
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        mask = attended(token_mask, patches)
        sequence = self.encoder(ops.concatenate([text, patches], axis=1), mask, training=training)
        length = ops.shape(text)[1]
        levels = [sequence[:, length + level.start : length + level.stop] for level in LEVEL_SLICES]
        return sequence[:, :length], levels, self.pooler(sequence[:, 0])

    def call(self, batch: Batch, training: bool | None = None) -> dict[str, Tensor]:
        embedded_text, patches = self.embed_text(batch, training=training), self.embed_patches(batch, training=training)
        logits = {}
        if CONTRASTIVE in self.heads:
            logits[CONTRASTIVE] = contrastive_logits(
                self.text_embeddings(batch, training),
                self._image_embeddings(patches, training),
                self.scale,
                batch,
            )
            if len(self.heads) == 1:
                return logits
        text, levels, pooled = self._encode(embedded_text, patches, batch["token_mask"], training)
        for task, head in self.heads.items():
            if task in _MASKED_TASKS and f"{task}_positions" not in batch and not training:
                continue
            if task == CONTRASTIVE:
                continue
            if task == "mlm":
                logits[task] = head(_at(text, batch["mlm_positions"]), self.text_embedding.token.embeddings)
            elif task == "itm":
                logits[task] = head(pooled)
                if "itm_draws" in batch:
                    drawn = drawn_negatives(logits[CONTRASTIVE], batch["itm_draws"])
                    others = self._negatives(embedded_text, patches, batch["token_mask"], drawn, training)
                    logits[task] = ops.stack([logits[task], *map(head, others)], axis=1)
            else:
                level = levels[LEVELS.index(LEVEL_OF_TASK[task])]
                masked = task in RECONSTRUCTION_TASKS
                logits[task] = head(_at(level, batch[f"{task}_positions"]) if masked else level)
        return logits

    def _negatives(
        self, text: Tensor, patches: Tensor, token_mask: Tensor, drawn: Tensor, training: bool | None
    ) -> list[Tensor]:
        """Computes the pooled outputs [B, H] of each photo with a drawn text, and of each text with a drawn photo."""
        texts, photos = drawn[:, 0], drawn[:, 1]
        words = ops.concatenate([ops.take(text, texts, axis=0), text])
        mask = ops.concatenate([ops.take(token_mask, texts, axis=0), token_mask])
        shown = ops.concatenate([patches, ops.take(patches, photos, axis=0)])
        sequence = ops.concatenate([words, shown], axis=1)
        first = self.encoder(sequence, attended(mask, shown), training=training, queries=1)
        return ops.split(self.pooler(first[:, 0]), 2)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """Computes the weighted sum of the tasks' losses in `fit`; the labels are in the batch itself."""
        return total_loss(y_pred, x, self.loss_config, self.config.compatibility)[0]

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "config": self.config.to_dict(), "tasks": list(self.tasks)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "KaleidoBert":
        return cls(ModelConfig.from_dict(config["config"]), config["tasks"], name=config["name"])


def attended(token_mask: Tensor, patches: Tensor) -> Tensor:
    """Makes the encoder's mask, float32 [B, T + n]: text and patches [B, n, ...] are attended to, padding is not."""
    mask = ops.cast(token_mask, "float32")
    return ops.pad(mask, ((0, 0), (0, patches.shape[1])), constant_values=1.0)


def _at(values: Tensor, positions: Tensor) -> Tensor:
    """Picks [B, n, H] out of [B, S, H] at positions int32 [B, n]."""
    return ops.take_along_axis(values, positions[:, :, None], axis=1)
