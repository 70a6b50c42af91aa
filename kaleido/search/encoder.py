"""Vectors of photos and texts by a model."""

from collections.abc import Mapping, Sequence

import numpy as np

from kaleido.app.predictor import SignatureRunner
from kaleido.app.signatures import EMBED, ENCODE_IMAGE, ENCODE_TEXT
from kaleido.checksums import file_sha256
from kaleido.errors import UserError
from kaleido.network_folder import CONFIG_FILE
from kaleido.pretrained.model import Model
from kaleido.search.vector_file import KINDS

_SIGNATURES = {"image": (ENCODE_IMAGE, "embedding"), "text": (ENCODE_TEXT, "embedding"), "fused": (EMBED, "pooled")}


def model_checksum(model: Model) -> str:
    """Gives the checksum of a model: that of its `config.json`, which has the checksums of all other files."""
    return file_sha256(model.directory / CONFIG_FILE)


def kinds_of(model: Model, kinds: Sequence[str] | None = None) -> tuple[str, ...]:
    """Gives the kinds of vectors that are asked for, in the order of `KINDS`; None are all that the model has.

    Raises:
        UserError: if the model lacks one, or there is no such kind.
    """
    having = [kind for kind in KINDS if _SIGNATURES[kind][0] in model.signatures]
    if not having:
        raise UserError(
            f"{model.directory}: this model of the task {model.task} makes no vectors; name a two-tower model, or one "
            "with a Kaleido-BERT"
        )
    if kinds is None:
        return tuple(having)
    if not kinds or (missing := [kind for kind in kinds if kind not in having]):
        raise UserError(
            f"{model.directory}: this model of the task {model.task} makes vectors of {', '.join(having)}. "
            f"Received: {', '.join(missing) if kinds else 'none'}"
        )
    return tuple(kind for kind in KINDS if kind in kinds)


class Encoder:
    """Encodes batches of photos and texts.

    Args:
        model: The model.
        kinds: Kinds of vectors, as `kinds_of` gives them.
        batch_size: Examples of a batch.
    """

    def __init__(self, model: Model, kinds: Sequence[str], batch_size: int):
        self.model = model
        self.batch_size = batch_size
        self._runners: dict[str, SignatureRunner] = {
            kind: model._runner(_SIGNATURES[kind][0], batch_size) for kind in kinds
        }

    @property
    def cut(self) -> int:
        """Number of texts that were longer than the model reads."""
        return max((runner.cut for runner in self._runners.values()), default=0)

    def __call__(self, photos: Mapping[str, np.ndarray], texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Encodes at most `batch_size` photos with their texts.

        Returns:
            float32 [n, d] by kind; NaN for the text of a product that has none.
        """
        found = {kind: runner(photos, texts)[_SIGNATURES[kind][1]] for kind, runner in self._runners.items()}
        return {kind: _without_empty(values, texts) if kind == "text" else values for kind, values in found.items()}

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes any number of texts: float32 [n, d], NaN where one is empty."""
        parts = [texts[start : start + self.batch_size] for start in range(0, len(texts), self.batch_size)]
        runner = self._runners["text"]
        return _without_empty(np.concatenate([runner({}, part)["embedding"] for part in parts]), texts)


def _without_empty(values: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    values = np.array(values, np.float32)
    values[[not text.strip() for text in texts]] = np.nan
    return values
