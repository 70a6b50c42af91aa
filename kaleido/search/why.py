"""Explains why a photo and a text belong together for a model: by the words and patches that they owe it to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from kaleido.alignment.aligner import Aligner
from kaleido.alignment.product_maps import product_cells
from kaleido.alignment.rule import hottest_patches
from kaleido.alignment.words import words_of
from kaleido.app.predictor import stored_text_length
from kaleido.app.signatures import ENCODE_IMAGE, ENCODE_TEXT, MATCH, PHOTO, TEXT
from kaleido.compiled import compiled
from kaleido.constants import LEVEL_SLICES, LEVELS, PATCHES
from kaleido.errors import UserError
from kaleido.pretrained.inputs import Photo, examples_of, text_items
from kaleido.records.place import ALIGNER
from kaleido.text import Tokenizer, load_tokenizer
from kaleido.text.tokenizer import Encoding
from kaleido.vision.patches import cells, places
from kaleido.vision.product import CELLS, decode_product

if TYPE_CHECKING:
    from kaleido.app.model_folder import SavedModel
    from kaleido.pretrained.model import Model
    from kaleido.vision.features import FeatureExtractor, PhotoFeatures

Batch = Mapping[str, np.ndarray]

_AT_ONCE = 64
"""Rows of a batch of hidden variants: the photo and its 55 patches fit in one, and one shape is compiled."""

_FIRST = LEVEL_SLICES[2].start
"""First patch of a pair: those of levels 1 and 2 are too large to point at a part."""

_WORDS, _PATCHES = 8, 16
"""Words and patches of which a matching head looks at the pairs, the heaviest: each pair is a pass of the encoder."""


def explain(model: "Model", photo: "Photo", text: str, *, pairs: int = 4) -> dict[str, Any]:
    """Finds the words and patches that made a photo and a text similar, by hiding them.

    A hidden word is one that the model does not attend to. Where a patch is hidden, so is what other patches show of
    its region: their vectors are multiplied by the share that stays visible. The weight of a word or a patch is by how
    much the score falls without it. The score is the cosine for a model that encodes photos and texts, and otherwise
    the matching head's. The photo's features are computed once.

    Where the model was trained on aligned records, its folder has their aligner. A word's pairs are then the patches
    where the aligner sees it, with the word's weight for the first and less for the others. Elsewhere the weight of a
    pair is how much of the patch's weight is lost where the word is hidden as well: what the patch contributes by it.

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
    tokenizer = load_tokenizer(model.directory)
    (text,) = text_items(text)
    length = stored_text_length(model._saved) - 2
    encoding = Encoding(*(values[:length] for values in tokenizer.encode(text)))
    words = words_of(tokenizer, *encoding)
    if not words:
        raise UserError(f"the text has no words that the model reads. Received: {text!r:.100}")
    seen, batch = model._processor.one(next(examples_of(photo, None)[0]))
    extractor = model._processor.extractor
    boxes = cells(seen.box, extractor.grid)
    scores = scorer.scores(_without_words(tokenizer, encoding, len(words)), _without_patches(batch, boxes))
    score = scores[0, 0]
    by_word, by_patch = score - scores[1:, 0], score - scores[0, 1:]
    if aligner := _aligner(model, tokenizer):
        together = by_word[:, None] * _shown(aligner, extractor, seen, encoding, pairs)
    else:
        together = by_patch - (scores[1:, :1] - scores[1:, 1:])
        together[:, :_FIRST] = 0
    levels = np.repeat(LEVELS, [level**2 for level in LEVELS]).tolist()
    found = [
        {"word": word, "patch": patch, "weight": weights[patch]}
        for word, weights in enumerate(together.tolist())
        for patch in sorted(range(_FIRST, PATCHES), key=lambda patch: -abs(weights[patch]))[:pairs]
        if weights[patch]
    ]
    return {
        "width": seen.width,
        "height": seen.height,
        "score": float(score),
        "words": [{"word": word, "weight": weight} for word, weight in zip(words, by_word.tolist())],
        "patches": [
            {"level": level, "row": row, "column": column, "box": box, "weight": weight}
            for level, (row, column, *_), box, weight in zip(
                levels, places(extractor.grid), boxes.tolist(), by_patch.tolist()
            )
        ],
        "pairs": sorted(found, key=lambda pair: -pair["weight"]),
    }


def covered(boxes: np.ndarray) -> np.ndarray:
    """Computes which share of each patch (column) the region of another (row) covers: float64 [n, n]."""
    low, high = np.moveaxis(np.asarray(boxes, np.float64).reshape(-1, 2, 2), 1, 0)
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    return np.clip(shared, 0, None).prod(axis=2) / (high - low).prod(axis=1)


def _without_words(tokenizer: Tokenizer, encoding: Encoding, count: int) -> Batch:
    """Tokens of a text as a batch: the whole text, then without each of its words."""
    ids, owners = encoding
    # A multiple of 8 positions, so that few shapes are compiled.
    token_ids = np.full((count + 1, -(-(len(ids) + 2) // 8) * 8), tokenizer.pad_id, np.int32)
    token_ids[:, : len(ids) + 2] = [tokenizer.cls_id, *ids, tokenizer.sep_id]
    token_mask = np.zeros_like(token_ids)
    token_mask[:, : len(ids) + 2] = 1
    token_mask[1:, 1 : len(ids) + 1] = owners != np.arange(count)[:, None]
    return {"token_ids": token_ids, "token_mask": token_mask}


def _without_patches(batch: Batch, boxes: np.ndarray) -> Batch:
    """Repeats a batch of one photo: the whole photo, then without the region of each of its patches."""
    rows = {name: np.repeat(values, PATCHES + 1, axis=0) for name, values in batch.items()}
    visible = 1 - covered(boxes)
    for level, place in zip(LEVELS, LEVEL_SLICES):
        values = rows[f"level{level}"]
        values[1:] *= visible[:, place, None].astype(values.dtype)
    return rows


def _shown(
    aligner: Aligner, extractor: "FeatureExtractor", seen: "PhotoFeatures", encoding: Encoding, pairs: int
) -> np.ndarray:
    """Computes how much patches show words by an aligner: float64 [words, 55], 1, 1/2, ... for a word's best."""
    maps = extractor.backbone.encode_map(decode_product(seen.product)[None]).reshape(1, CELLS, -1).astype(np.float16)
    (heat,) = aligner.heats([(encoding.ids, encoding.word_ids)], maps, product_cells(seen.cells)[None])
    rule = replace(aligner.config, patches_per_word=pairs)
    shown = np.zeros((len(heat.words), PATCHES))
    for word, patches in enumerate(hottest_patches(heat.heat, rule, extractor.grid)):
        shown[word, patches] = 1 / np.arange(1, len(patches) + 1)
    return shown


_ALIGNERS: "WeakKeyDictionary[Model, Aligner | None]" = WeakKeyDictionary()


def _aligner(model: "Model", tokenizer: Tokenizer) -> Aligner | None:
    """Gives the aligner of a model's folder, if it has one; it is loaded once."""
    if model not in _ALIGNERS:
        aligner = Aligner.load(model.directory / ALIGNER, tokenizer)
        # Of heat-maps of a generated caption the text's words have none.
        if aligner and aligner.config.words == "caption":
            aligner.config = replace(aligner.config, words="text")
        _ALIGNERS[model] = aligner
    return _ALIGNERS[model]


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
