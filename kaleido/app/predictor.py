"""Inference with a saved model on photos and texts that are not in records."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kaleido.app.model_folder import SavedModel
from kaleido.app.signatures import MATCH, PHOTO, TEXT, Signature
from kaleido.compiled import compiled
from kaleido.errors import UserError
from kaleido.records.config import NO_TEXT
from kaleido.text import Tokenizer, load_tokenizer
from kaleido.text.batch import text_batch


class SignatureRunner:
    """Runs one signature of a saved model on a few examples at a time.

    Args:
        saved: Model.
        name: Name of the signature.
        batch_size: Examples per batch; smaller batches are padded, so that only one shape is compiled.

    Attributes:
        reads_text: Whether it reads texts, and the model was trained with them.
        reads_photos: Whether it reads photos.
        length: Longest text in tokens, [CLS] and [SEP] included; longer texts are cut.
        cut: Number of texts that were cut so far.

    Raises:
        UserError: if the model has no such signature.
    """

    def __init__(self, saved: SavedModel, name: str, batch_size: int):
        signatures = saved.application.signatures(saved.model)
        if name not in signatures:
            raise UserError(
                f"{saved.directory}: this model of the task {saved.content['task']} has no {name}; it has "
                f"{', '.join(signatures)}"
            )
        signature: Signature = signatures[name]
        self.length = stored_text_length(saved)
        self.reads_photos = any(array in signature.reads for array in PHOTO)
        self.reads_text = any(array in signature.reads for array in TEXT) and self.length > NO_TEXT
        self.cut = 0
        self.batch_size = batch_size
        self._reads = signature.reads
        self._tokenizer: Tokenizer = load_tokenizer(saved.directory)
        self._run = compiled(saved.model, signature.function)

    def __call__(self, photos: Mapping[str, np.ndarray], texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Computes the outputs for at most `batch_size` examples.

        Args:
            photos: `level1` to `level5` and `positions` (`docs/design.md`); may be empty where none are read.
            texts: One text per example; may be empty strings.

        Returns:
            Outputs by name, float32, one row per example.

        Raises:
            UserError: if an output is not finite.
        """
        batch = {name: values for name, values in photos.items() if name in self._reads}
        if any(name in self._reads for name in TEXT):
            tokens = text_batch(self._tokenizer, texts, self.length)
            self.cut += int(tokens.cut.sum()) if self.reads_text else 0
            batch |= {"token_ids": tokens.token_ids, "token_mask": tokens.token_mask}
        rows = len(next(iter(batch.values())))
        filled = {name: np.resize(values, (self.batch_size, *values.shape[1:])) for name, values in batch.items()}
        return {name: finite(values[:rows]) for name, values in self._run(filled).items()}


class Predictor(ABC):
    """Makes the rows of `predict` for photos and texts.

    Attributes:
        reads_text: Whether texts are read.
        needs_text: Whether every photo must have a text.
        length: Longest text in tokens, [CLS] and [SEP] included.
    """

    reads_text: bool
    needs_text: bool = False
    length: int

    @property
    def cut(self) -> int:
        """Number of texts that were cut so far."""
        return 0

    @abstractmethod
    def __call__(self, photos: Mapping[str, np.ndarray], texts: Sequence[str]) -> list[dict[str, Any]]:
        """Makes the columns of each example of a batch; arguments as in `SignatureRunner`."""


class SignaturePredictor(Predictor):
    """Predicts with the signature that the task names in `answer`.

    Args:
        saved: Model.
        batch_size: Photos per batch.

    Raises:
        UserError: if the model does not have that signature.
    """

    def __init__(self, saved: SavedModel, batch_size: int):
        self._saved = saved
        self._runner = SignatureRunner(saved, saved.application.answer or MATCH, batch_size)
        self.reads_text, self.length = self._runner.reads_text, self._runner.length
        self.needs_text = saved.application.answer == MATCH

    @property
    def cut(self) -> int:
        return self._runner.cut

    def __call__(self, photos: Mapping[str, np.ndarray], texts: Sequence[str]) -> list[dict[str, Any]]:
        outputs = self._runner(photos, texts)
        application, labels = self._saved.application, self._saved.labels
        rows = []
        for place, text in enumerate(texts):
            columns = application.prediction({name: values[place] for name, values in outputs.items()}, labels)
            rows.append({"text": text, **columns} if self.needs_text else columns)
        return rows


def finite(outputs: np.ndarray) -> np.ndarray:
    """Returns what a model has computed, which finite weights can make infinite.

    Raises:
        UserError: if a value is not finite.
    """
    if not np.isfinite(outputs).all():
        raise UserError("the model computes values that are not finite; its weights were altered, get the model again")
    return outputs


def stored_text_length(saved: SavedModel) -> int:
    """Returns the longest text in tokens that the model has read: records store no more than `max_stored_tokens`."""
    photos = saved.content["processor"].get("photos") or {}
    return min(saved.text_length, photos.get("max_stored_tokens", saved.text_length) + 2)
