"""Kaleido-BERT for category and sub-category recognition (the paper's tasks CR and SUB)."""

import keras

from kaleido.model.config import ModelConfig
from kaleido.model.dropout import Dropout
from kaleido.model.heads import ClassificationHead
from kaleido.model.kaleido_bert import KaleidoBert


@keras.saving.register_keras_serializable("kaleido")
class Classifier(keras.Model):
    """Kaleido-BERT with dropout and one dense layer on the pooled [CLS].

    Reads a batch (`docs/design.md`) without masking and corruption and returns `{task: logits [B, classes]}`.

    Args:
        config: Architecture.
        task: Name of the task, the key of the logits.
        classes: Number of classes.
    """

    def __init__(self, config: ModelConfig, task: str, classes: int, name: str = "classifier", **kwargs):
        super().__init__(name=name, **kwargs)
        self.config, self.task, self.classes = config, task, classes
        self.bert = KaleidoBert(config, tasks=())
        self.dropout = Dropout(config.dropout)
        self.head = ClassificationHead(config, 1, classes, name=task)
        self.build()

    def build(self, input_shape=None):
        self.head.build()
        self.built = True

    def call(self, batch, training=None):
        _, _, pooled = self.bert.encode(batch, training=training)
        return {self.task: self.head(self.dropout(pooled, training=training))}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the heads."""
        return (self.task,)

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict(), "task": self.task, "classes": self.classes}

    @classmethod
    def from_config(cls, config):
        return cls(ModelConfig.from_dict(config["config"]), config["task"], config["classes"], name=config["name"])
