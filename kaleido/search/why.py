"""Why a photo and a text belong together for a model: the words and patches without which they would less."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from kaleido.alignment.words import words_of
from kaleido.app.predictor import stored_text_length
from kaleido.app.signatures import ENCODE_IMAGE, ENCODE_TEXT, MATCH, PHOTO, TEXT
from kaleido.compiled import compiled
from kaleido.constants import LEVEL_SLICES, LEVELS, PATCHES
from kaleido.errors import UserError
from kaleido.pretrained.inputs import Photo, examples_of, text_items
from kaleido.text import load_tokenizer
from kaleido.vision.patches import cells, places

if TYPE_CHECKING:
    from kaleido.app.model_folder import SavedModel
    from kaleido.pretrained.model import Model

Batch = Mapping[str, np.ndarray]

_AT_ONCE = 64
"""Rows of a batch of hidden variants: the photo and its 55 patches fit in one, and one shape is compiled."""

_FIRST = LEVEL_SLICES[2].start
"""First patch of a pair: those of levels 1 and 2 are too large to point at a part."""

_WORDS, _PATCHES = 8, 16
"""Words and patches of which a matching head looks at the pairs, the heaviest: each pair is a pass of the encoder."""


def explain(model: "Model", photo: "Photo", text: str, *, pairs: int = 4) -> dict[str, Any]:
    """Finds the words and patches that made a photo and a text similar, by hiding them.

    A hidden word is one that the model does not attend to, a hidden patch a vector of zeros. The weight of a word or a
    patch is by how much the score falls without it. The weight of a pair is how much of the patch's weight is lost
    where the word is hidden as well: what the patch contributes by this word. The score is the cosine for a model that
    encodes photos and texts, and otherwise the matching head's. The photo's features are computed once.

    Args:
        model: A model with `encode_image` and `encode_text`, or with `match`.
        photo: A path, bytes, a Pillow image or uint8 [H, W, 3].
        text: Text; tokens beyond those that the model reads are left out.
        pairs: Number of pairs of each word, the heaviest.

    Returns:
        What JSON can hold: `width` and `height` of the photo in pixels; `score`; `words`, in the order of the text, of
        `word`, in lower case, and `weight`; `patches`, all 55, of `level` (1 to 5), `row`, `column` (from 0), `box`
        [x1, y1, x2, y2] in pixels and `weight`; and `pairs`, the heaviest first, of `word` and `patch`, their places in
        the lists, and `weight`. The patches of pairs are of levels 3 to 5.

    Raises:
        UserError: if the model cannot compare photos and texts, the photo cannot be read, or the text has no words.
    """
    scorer = _scorer(model)
    words, texts = _without_words(model, text)
    seen, batch = model._processor.one(next(examples_of(photo, None)[0]))
    scores = scorer.scores(texts, _without_patches(batch))
    score = scores[0, 0]
    by_word, by_patch = score - scores[1:, 0], score - scores[0, 1:]
    together = by_patch - (scores[1:, :1] - scores[1:, 1:])
    grid = model._processor.extractor.grid
    levels = np.repeat(LEVELS, [level**2 for level in LEVELS]).tolist()
    found = [
        {"word": word, "patch": int(patch), "weight": float(together[word, patch])}
        for word in range(len(words))
        for patch in _FIRST + np.argsort(-together[word, _FIRST:], kind="stable")[:pairs]
    ]
    return {
        "width": seen.width,
        "height": seen.height,
        "score": float(score),
        "words": [{"word": word, "weight": float(weight)} for word, weight in zip(words, by_word)],
        "patches": [
            {"level": level, "row": row, "column": column, "box": box, "weight": float(weight)}
            for level, (row, column, *_), box, weight in zip(
                levels, places(grid), cells(seen.box, grid).tolist(), by_patch
            )
        ],
        "pairs": sorted(found, key=lambda pair: -pair["weight"]),
    }


def _without_words(model: "Model", text: str) -> tuple[list[str], Batch]:
    """Words of a text, and its tokens as a batch: the whole text, then without each of its words."""
    tokenizer = load_tokenizer(model.directory)
    length = stored_text_length(model._saved)
    (text,) = text_items(text)
    encoding = tokenizer.encode(text)
    ids, owners = encoding.ids[: length - 2], encoding.word_ids[: length - 2]
    words = words_of(tokenizer, ids, owners)
    if not words:
        raise UserError(f"the text has no words that the model reads. Received: {text!r:.100}")
    width = -(-(len(ids) + 2) // 8) * 8
    token_ids = np.full((len(words) + 1, min(width, length)), tokenizer.pad_id, np.int32)
    token_ids[:, : len(ids) + 2] = [tokenizer.cls_id, *ids, tokenizer.sep_id]
    token_mask = np.zeros_like(token_ids)
    token_mask[:, : len(ids) + 2] = 1
    token_mask[1:, 1 : len(ids) + 1] = owners != np.arange(len(words))[:, None]
    return words, {"token_ids": token_ids, "token_mask": token_mask}


def _without_patches(batch: Batch) -> Batch:
    """Repeats a batch of one photo: the whole photo, then without each of its patches."""
    rows = {name: np.repeat(values, PATCHES + 1, axis=0) for name, values in batch.items()}
    for level, place in zip(LEVELS, LEVEL_SLICES):
        patches = np.arange(place.start, place.stop)
        rows[f"level{level}"][patches + 1, patches - place.start] = 0
    return rows


class _Scorer(ABC):
    def __init__(self, saved: "SavedModel", *names: str):
        signatures = saved.application.signatures(saved.model)
        self._run = {name: compiled(saved.model, signatures[name].function) for name in names}

    @abstractmethod
    def scores(self, texts: Batch, photos: Batch) -> np.ndarray:
        """Computes the scores of texts and photos, of which the first are whole: float64 [texts, photos]."""

    def _rows(self, name: str, batch: Batch) -> dict[str, np.ndarray]:
        """Outputs of a signature for any number of rows."""
        count = len(next(iter(batch.values())))
        parts = []
        for start in range(0, count, _AT_ONCE):
            part = {key: values[start : start + _AT_ONCE] for key, values in batch.items()}
            full = {key: np.resize(values, (_AT_ONCE, *values.shape[1:])) for key, values in part.items()}
            parts.append(self._run[name](full))
        return {key: np.concatenate([part[key] for part in parts])[:count] for key in parts[0]}


class _Cosines(_Scorer):
    """Cosines of embeddings: each variant of text and photo is encoded once."""

    def __init__(self, saved: "SavedModel"):
        super().__init__(saved, ENCODE_TEXT, ENCODE_IMAGE)

    def scores(self, texts: Batch, photos: Batch) -> np.ndarray:
        found = [self._rows(*part)["embedding"] for part in ((ENCODE_TEXT, texts), (ENCODE_IMAGE, photos))]
        return found[0].astype(np.float64) @ found[1].T.astype(np.float64)


class _Matches(_Scorer):
    """Scores of a matching head; pairs other than those of the heaviest words and patches count as independent."""

    def __init__(self, saved: "SavedModel"):
        super().__init__(saved, MATCH)

    def scores(self, texts: Batch, photos: Batch) -> np.ndarray:
        words, patches = len(texts["token_ids"]), PATCHES + 1
        alone = [(word, 0) for word in range(words)] + [(0, patch) for patch in range(1, patches)]
        found = self._of(alone, texts, photos)
        by_word, by_patch = found[:words], np.concatenate([found[:1], found[words:]])
        scores = by_word[:, None] + by_patch - found[0]
        heaviest = 1 + np.argsort(by_word[1:], kind="stable")[:_WORDS]
        seen = 1 + _FIRST + np.argsort(by_patch[1 + _FIRST :], kind="stable")[:_PATCHES]
        both = [(word, patch) for word in heaviest for patch in seen]
        scores[tuple(np.transpose(both))] = self._of(both, texts, photos)
        return scores

    def _of(self, places: list[tuple[int, int]], texts: Batch, photos: Batch) -> np.ndarray:
        text, photo = np.transpose(places)
        batch = {name: texts[name][text] for name in TEXT} | {name: photos[name][photo] for name in PHOTO}
        return self._rows(MATCH, batch)["score"].astype(np.float64)


_KINDS: dict[tuple[str, ...], Callable[["SavedModel"], _Scorer]] = {
    (ENCODE_TEXT, ENCODE_IMAGE): _Cosines,
    (MATCH,): _Matches,
}
_SCORERS: "WeakKeyDictionary[Model, _Scorer]" = WeakKeyDictionary()


def _scorer(model: "Model") -> _Scorer:
    """Gives a model's scorer, whose functions are compiled once."""
    if model not in _SCORERS:
        for names, kind in _KINDS.items():
            if set(names) <= set(model.signatures):
                _SCORERS[model] = kind(model._saved)
                break
        else:
            raise UserError(
                f"{model.directory}: this model of the task {model.task} cannot compare photos and texts; it has "
                f"{', '.join(model.signatures)}; a two-tower model or a matching head can"
            )
    return _SCORERS[model]
