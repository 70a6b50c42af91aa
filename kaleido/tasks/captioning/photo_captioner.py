"""Generates captions with a trained captioning model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kaleido import configuration
from kaleido.app.model_folder import SavedModel
from kaleido.app.predictor import Predictor
from kaleido.app.signatures import PHOTO
from kaleido.compiled import compiled
from kaleido.errors import UserError
from kaleido.tasks.captioning.config import CaptionConfig
from kaleido.text import Tokenizer, load_tokenizer


@dataclass(frozen=True, slots=True)
class Caption:
    """Caption of a photo.

    Attributes:
        text: Caption in lower case.
        log_probability: Sum of the log-probabilities of its tokens, in nats; `mask_predict` treats tokens as
            independent.
        complete: Whether it ended with [SEP]; false if it was cut off at the maximum length.
    """

    text: str
    log_probability: float
    complete: bool


class PhotoCaptioner(Predictor):
    """Generates captions of photos.

    Args:
        saved: Model of the task `caption`.
        batch_size: Photos per batch; smaller batches are filled up.
        options: Fields of `CaptionConfig` that replace those of training; None keeps the trained value.
    """

    reads_text = False

    def __init__(self, saved: SavedModel, batch_size: int, **options: Any):
        # Imported here, because these modules import Keras.
        from kaleido.tasks.captioning.beam_search import beam_search
        from kaleido.tasks.captioning.caption_reader import CachedReader
        from kaleido.tasks.captioning.mask_predict import mask_predict

        chosen = {name: value for name, value in options.items() if value is not None}
        trained = saved.content["task_config"]["caption_config"]
        self.config = configuration.build(CaptionConfig, {**trained, **chosen})
        if self.config.decoder != trained["decoder"]:
            raise UserError(
                f"{saved.directory}: was trained with the decoder {trained['decoder']} and supports no other. "
                f"Received: {self.config.decoder}"
            )
        self.length = saved.text_length
        self.batch_size = batch_size
        self._tokenizer = load_tokenizer(saved.directory)
        model, config, tokens = saved.model, self.config, special_tokens(self._tokenizer)

        def decode(batch):
            if model.decoder == "mask_predict":
                return mask_predict(model, batch, tokens, self.length, config.rounds)
            reader = CachedReader(model, batch)
            limits = {"length_penalty": config.length_penalty, "no_repeat_ngram": config.no_repeat_ngram}
            return beam_search(reader, tokens, self.length, config.beams, **limits)

        self._decode = compiled(model, decode)

    def captions(self, photos: Mapping[str, np.ndarray]) -> list[Caption]:
        """Generates the captions of at most `batch_size` photos.

        Args:
            photos: Arrays `level1` to `level5` and `positions` (`docs/design.md`).
        """
        rows = len(photos["positions"])
        filled = {name: np.resize(photos[name], (self.batch_size, *photos[name].shape[1:])) for name in PHOTO}
        found = self._decode(filled)
        return [self._caption(tokens, score) for tokens, score in zip(found.tokens[:rows], found.scores[:rows])]

    def __call__(self, photos: Mapping[str, np.ndarray], texts: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"caption": caption.text, "log_probability": caption.log_probability, "complete": caption.complete}
            for caption in self.captions(photos)
        ]

    def _caption(self, tokens: np.ndarray, score: float) -> Caption:
        ends = np.flatnonzero(tokens == self._tokenizer.sep_id)
        kept = tokens[1 : ends[0]] if ends.size else tokens[1:]
        return Caption(self._tokenizer.decode(kept), float(score), bool(ends.size))


def special_tokens(tokenizer: Tokenizer):
    """Returns the special tokens of a vocabulary for the decoders."""
    from kaleido.tasks.captioning.captions import SpecialTokens

    never = [token for token in tokenizer.special_ids if token != tokenizer.sep_id]
    return SpecialTokens(
        tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, tokenizer.mask_id, never, tokenizer.vocab_size
    )
