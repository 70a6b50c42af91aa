"""A trained captioner at work."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.app.finetune_config import CaptionConfig
from kaleido.app.model_folder import load_model, max_text_length, read_model_config
from kaleido.errors import UserError
from kaleido.model.compiled import compiled
from kaleido.tasks.captioning.beam_search import beam_search
from kaleido.tasks.captioning.caption_reader import CachedReader
from kaleido.tasks.captioning.captions import Captions, Pieces
from kaleido.tasks.captioning.mask_predict import mask_predict
from kaleido.tasks.captioning.model import Captioner
from kaleido.text import Tokenizer, load_tokenizer

_PHOTO = ("level1", "level2", "level3", "level4", "level5", "positions")


@dataclass(frozen=True, slots=True)
class Caption:
    """What was said of a photo.

    Attributes:
        text: In lower case.
        log_probability: Of its pieces, in nats; those of `mask_predict` are taken as independent.
        complete: Whether it ended by itself, not at the greatest length.
    """

    text: str
    log_probability: float
    complete: bool


class PhotoCaptioner:
    """Writes captions of photos.

    Args:
        model: Its decoder writes.
        tokenizer: Of its vocabulary.
        config: How to decode.
        length: Positions of a caption at most, [CLS] and [SEP] included.
        batch_size: Photos at once; fewer are filled up.
    """

    def __init__(self, model: Captioner, tokenizer: Tokenizer, config: CaptionConfig, length: int, batch_size: int):
        self.tokenizer = tokenizer
        self.config = config
        self.batch_size = batch_size
        pieces = pieces_of(tokenizer)

        def decode(batch) -> Captions:
            if model.decoder == "mask_predict":
                return mask_predict(model, batch, pieces, length, config.rounds)
            reader = CachedReader(model, batch)
            limits = {"length_penalty": config.length_penalty, "no_repeat_ngram": config.no_repeat_ngram}
            return beam_search(reader, pieces, length, config.beams, **limits)

        self._decode = compiled(model, decode)

    @classmethod
    def load(cls, directory: Path, options: Mapping[str, Any], batch_size: int = 16) -> "PhotoCaptioner":
        """Loads what captioning saved.

        Args:
            directory: A run's `model`.
            options: Fields of `CaptionConfig`, instead of those that it was trained with.
            batch_size: Photos at once.

        Raises:
            UserError: if it is no captioner, or its vocabulary is not that of its training.
        """
        content = read_model_config(directory)
        if content["class"] != "Captioner":
            raise UserError(f"{directory}: not a captioner; name the `model` folder of `finetune --task caption`")
        config = CaptionConfig(**{**content["task_config"]["caption_config"], **options})
        tokenizer = load_tokenizer(Path(directory))
        return cls(load_model(directory), tokenizer, config, max_text_length(content), batch_size)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> list[Caption]:
        """Captions of at most `batch_size` photos.

        Args:
            batch: As `docs/design.md` defines it; of it the photos.
        """
        rows = len(batch["positions"])
        filled = {name: np.resize(batch[name], (self.batch_size, *batch[name].shape[1:])) for name in _PHOTO}
        found = self._decode(filled)
        return [self._caption(tokens, score) for tokens, score in zip(found.tokens[:rows], found.scores[:rows])]

    def _caption(self, tokens: np.ndarray, score: float) -> Caption:
        ends = np.flatnonzero(tokens == self.tokenizer.sep_id)
        pieces = tokens[1 : ends[0]] if ends.size else tokens[1:]
        return Caption(self.tokenizer.decode(pieces), float(score), bool(ends.size))


def pieces_of(tokenizer: Tokenizer) -> Pieces:
    """What the pieces of a vocabulary are for."""
    never = [piece for piece in tokenizer.special_ids if piece != tokenizer.sep_id]
    return Pieces(tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, tokenizer.mask_id, never, tokenizer.vocab_size)
