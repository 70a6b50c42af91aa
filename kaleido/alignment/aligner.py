"""The aligner: a captioner that is trained, stored, and used to align texts with photos."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
from pydantic import Field, with_config
from typing_extensions import TypedDict

from kaleido.alignment.captioner import AlignmentCaptioner
from kaleido.alignment.config import AlignConfig
from kaleido.alignment.rule import heat_of_words, pairs_of
from kaleido.alignment.words import alignable, words_of
from kaleido.compiled import compiled
from kaleido.errors import UserError
from kaleido.network_folder import (
    WEIGHTS_FILE,
    NetworkContent,
    Size,
    check_files,
    check_sizes,
    is_network_folder,
    load_weights,
    read_network_config,
    read_shapes,
    write_network,
)
from kaleido.progress import tqdm
from kaleido.records.description import MAX_FEATURE_SIZE
from kaleido.records.pairs import Pairs
from kaleido.records.reader import PhotoRecords
from kaleido.text import Tokenizer
from kaleido.untrusted import NO_OTHER_KEYS, Count, Finite, checked
from kaleido.vision.patches import Grid


@with_config(NO_OTHER_KEYS)
class _Architecture(TypedDict):
    vocab_size: Annotated[int, Field(ge=1, le=10_000_000)]
    channels: Annotated[int, Field(ge=1, le=MAX_FEATURE_SIZE)]
    begin: Count
    end: Count
    size: Annotated[int, Field(ge=1, le=100_000)]
    sharpness: Finite
    doubly_stochastic: Finite
    grounding: Finite


class _Content(NetworkContent):
    architecture: _Architecture
    config: AlignConfig
    threshold: Finite


_SIZES = {
    "vocab_size": Size(("/output/bias",)),
    "channels": Size(("/mean",)),
    "size": Size(("/from_state/bias",)),
}


@dataclass(frozen=True, slots=True)
class Heat:
    """Heat-maps of the words of a text in its photo.

    Attributes:
        words: Words of the text that the heat-maps belong to: the raw one or a generated caption.
        heat: float64 [len(words), L], each adding up to 1 (0 for words without tokens).
        confidence: float64 [len(words)], 0..1.
    """

    words: list[str]
    heat: np.ndarray
    confidence: np.ndarray


class Aligner:
    """Aligns texts and photos.

    Args:
        model: Trained captioner.
        tokenizer: Tokenizer of its vocabulary.
        config: Configuration of the rule.
        threshold: Confidence below which words are not aligned.
    """

    def __init__(self, model: AlignmentCaptioner, tokenizer: Tokenizer, config: AlignConfig, threshold: float = 0.0):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.threshold = threshold
        self._ground = compiled(model, model.ground)
        self._attend = compiled(model, model.attend)
        self._generate = compiled(model, lambda batch: model.generate(batch, config.max_text_length))

    @classmethod
    def train(
        cls, tokenizer: Tokenizer, records: PhotoRecords, maps: Mapping, config: AlignConfig, seed: int
    ) -> "Aligner":
        """Trains a captioner on photos and their texts.

        Args:
            tokenizer: Tokenizer of the records.
            records: Records of the train split.
            maps: Maps of some of its photos: `rows` int [n], `maps` float16 [n, L, C] and `product` float32 [n, L].
            config: Configuration of the training and the rule.
            seed: Seed of weights and batches.
        """
        keras.utils.set_random_seed(seed)
        model = AlignmentCaptioner(
            tokenizer.vocab_size, maps["maps"].shape[-1], tokenizer.cls_id, tokenizer.sep_id, config.hidden_size,
            config.sharpness, config.doubly_stochastic, config.grounding,
        )  # fmt: skip
        sample = maps["maps"][:: max(1, len(maps["rows"]) // 500)].astype(np.float32)
        model.mean.assign(sample.mean((0, 1)))
        model.deviation.assign(sample.std((0, 1)) + 1e-3)
        rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.steps)
        optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-2, clipnorm=1.0)
        model.compile(optimizer, jit_compile=keras.backend.backend() != "tensorflow")
        batches = _Batches(tokenizer, records, maps, config, seed)
        for step in (progress := tqdm(range(config.steps), desc="train the captioner", unit="step")):
            loss = model.train_on_batch(batches[step])
            progress.set_postfix(loss=f"{float(loss):.3f}", refresh=False)
        aligner = cls(model, tokenizer, config)
        aligner.threshold = aligner._threshold(records, maps)
        return aligner

    def save(self, directory: Path, made: Mapping) -> None:
        """Writes the aligner, with a description of what it was made from."""
        content = {
            "class": AlignmentCaptioner.__name__,
            "architecture": self.model.settings,
            "config": asdict(self.config),
            "threshold": self.threshold,
            "made": dict(made),
        }
        write_network(directory, content, self.model.weights)

    @classmethod
    def load(cls, directory: Path, tokenizer: Tokenizer, made: Mapping | None = None) -> "Aligner | None":
        """Reads a saved aligner; None if there is none, or if it was not made from `made`.

        Raises:
            UserError: if it is damaged or of another version.
        """
        if not is_network_folder(directory):
            return None
        try:
            content = read_network_config(directory, _Content)
        except UserError as error:
            raise UserError(f"{error}; remove {directory} and run `kaleido align` again") from None
        if made is not None and content.get("made") != json.loads(json.dumps(dict(made))):
            return None
        architecture = content["architecture"]
        check_files(directory, content)
        weights = directory / WEIGHTS_FILE
        check_sizes(weights, read_shapes(weights), architecture, _SIZES)
        tokens = architecture["vocab_size"], architecture["begin"], architecture["end"]
        if tokens != (tokenizer.vocab_size, tokenizer.cls_id, tokenizer.sep_id):
            raise UserError(f"{directory}: not of this vocabulary; remove it and run `kaleido align` again")
        model = AlignmentCaptioner(**architecture)
        load_weights(weights, model.weights)
        return cls(model, tokenizer, checked(AlignConfig, content["config"], directory), content["threshold"])

    def heats(self, texts: list[tuple[np.ndarray, np.ndarray]], maps: np.ndarray, product: np.ndarray) -> list[Heat]:
        """Computes heat-maps for the words of each text, or of the caption that the model generates.

        Args:
            texts: Token ids and word ids of each text.
            maps: float16 [n, L, C].
            product: float32 [n, L].
        """
        if self.config.words == "caption":
            texts, attention = self._captions(maps, product)
        if not max((len(ids) for ids, _ in texts), default=0):
            return [Heat([], np.zeros((0, product.shape[1])), np.zeros(0)) for _ in texts]
        if self.config.heat == "grounding":
            found = self._ground(self._padded(texts, maps, product))
        elif self.config.words == "text":
            found = self._attend(self._padded(texts, maps, product))
        else:
            found = attention
        return [self._heat(*text, values[: len(text[0])], on > 0) for text, values, on in zip(texts, found, product)]

    def caption(self, maps: np.ndarray, product: np.ndarray) -> list[tuple[list[str], np.ndarray]]:
        """Generates captions: their words, and for each word the mean attention of its tokens [n, L]."""
        texts, attention = self._captions(maps, product)
        found = []
        for (ids, word_ids), looks in zip(texts, attention):
            words = words_of(self.tokenizer, ids, word_ids)
            found.append((words, heat_of_words(looks[: len(ids)], word_ids, len(words))))
        return found

    def align(
        self,
        texts: list[tuple[np.ndarray, np.ndarray]],
        maps: np.ndarray,
        product: np.ndarray,
        grid: Grid = "kaleido",
    ) -> list[Pairs]:
        """Finds the pairs of texts and photos that were cut by a grid; other arguments as for `heats`."""
        texts_of_words = [words_of(self.tokenizer, *text) for text in texts]
        return [
            pairs_of(words, heat.words, heat.heat, heat.confidence, self.threshold, self.config, grid)
            for words, heat in zip(texts_of_words, self.heats(texts, maps, product))
        ]

    def _heat(self, ids: np.ndarray, word_ids: np.ndarray, found: np.ndarray, on: np.ndarray) -> Heat:
        words = words_of(self.tokenizer, ids, word_ids)
        of_tokens = np.zeros((len(ids), len(on)))
        if self.config.heat == "attention":
            of_tokens[:, on] = found[:, on]
            spread = -(of_tokens * np.log(np.maximum(of_tokens, 1e-12))).sum(axis=1) / np.log(max(on.sum(), 2))
            sure = 1 - spread
        elif len(ids):
            cosines = found[:, on]
            named = np.array([alignable(words[word]) for word in word_ids])
            # What all words of the text share, the product as such, points nowhere.
            shared = cosines[named].mean(axis=0) if named.any() else 0.0
            scores = self.config.sharpness * (cosines - shared)
            exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
            of_tokens[:, on] = exponentials / exponentials.sum(axis=1, keepdims=True)
            sure = cosines.max(axis=1)
        else:
            sure = np.zeros(0)
        confidence = heat_of_words(sure[:, None], word_ids, len(words))[:, 0]
        return Heat(words, heat_of_words(of_tokens, word_ids, len(words)), np.clip(confidence, 0, 1))

    def _captions(self, maps, product) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[np.ndarray]]:
        """Generates captions: token and word ids of each, and the attention of its tokens."""
        tokens, attention = self._generate({"maps": maps, "product": product})
        texts, kept = [], []
        for ids, looks in zip(tokens, attention):
            ends = np.flatnonzero(ids == self.tokenizer.sep_id)
            ids = ids[: ends[0]] if ends.size else ids
            # Tokens must be those of the text that they decode to; otherwise their word ids would not match.
            encoding = self.tokenizer.encode(self.tokenizer.decode(ids))
            same = len(encoding.ids) == len(ids) and (encoding.ids == ids).all()
            texts.append((encoding.ids, encoding.word_ids) if same else (ids[:0], ids[:0]))
            kept.append(looks)
        return texts, kept

    def _padded(self, texts, maps, product) -> dict[str, np.ndarray]:
        longest = max(len(ids) for ids, _ in texts)
        tokens = np.full((len(texts), -(-longest // 16) * 16), self.tokenizer.pad_id, np.int32)
        for row, (ids, _) in enumerate(texts):
            tokens[row, : len(ids)] = ids
        mask = np.array([np.arange(tokens.shape[1]) < len(ids) for ids, _ in texts], np.float32)
        return {"maps": maps, "product": product, "token_ids": tokens, "token_mask": mask, "content": mask}

    def _threshold(self, records: PhotoRecords, maps: Mapping) -> float:
        """Measures the confidence that `word_share` of the words reach, on some hundred training photos."""
        sample = np.arange(len(maps["rows"]))[:: max(1, len(maps["rows"]) // 640)]
        found = []
        for start in range(0, len(sample), 32):
            part = sample[start : start + 32]
            heats = self.heats(texts_of(records, maps["rows"][part]), maps["maps"][part], maps["product"][part])
            found += [sure for heat in heats for word, sure in zip(heat.words, heat.confidence) if alignable(word)]
        return float(np.quantile(found, 1 - self.config.word_share)) if found else 0.0


def texts_of(records: PhotoRecords, rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Gives token ids and word ids of the texts of some records."""
    offsets = records.index.token_offsets
    spans = [slice(offsets[row], offsets[row + 1]) for row in rows]
    return [(records.index.token_ids[span], records.index.word_ids[span]) for span in spans]


class _Batches:
    """Training batches, each drawn from (seed, step) alone: photos of different products, often of the same kind.

    Raises:
        UserError: if fewer than two texts have a token.
    """

    def __init__(self, tokenizer: Tokenizer, records: PhotoRecords, maps: Mapping, config: AlignConfig, seed: int):
        self._tokenizer, self._records, self._maps, self._config, self._seed = tokenizer, records, maps, config, seed
        lengths = records.index.text_lengths(maps["rows"])
        self._rows = np.flatnonzero(lengths)
        if len(self._rows) < 2:
            raise UserError(
                f"{records.directory}: alignment learns from texts; fewer than two training photos have one"
            )
        rows = maps["rows"]
        self._products = records.index.product[rows]
        self._labels = records.index.category[rows], records.index.subcategory[rows]

    def __getitem__(self, step: int) -> dict[str, np.ndarray]:
        random = np.random.default_rng((self._seed, step))
        pool = self._rows
        if random.random() < self._config.hard_share:
            labels = self._labels[int(random.random() < 0.5)]
            alike = self._rows[labels[self._rows] == labels[random.choice(self._rows)]]
            if len(np.unique(self._products[alike])) >= 2:
                pool = alike
        drawn = random.permutation(pool)[: 4 * self._config.batch_size]
        _, first = np.unique(self._products[drawn], return_index=True)
        chosen = np.resize(drawn[np.sort(first)], self._config.batch_size)
        return self._batch(chosen)

    def _batch(self, chosen: np.ndarray) -> dict[str, np.ndarray]:
        width = self._config.max_text_length
        rows = self._maps["rows"][chosen]
        ids, words, present = self._records.index.texts(rows, width)
        lengths = np.minimum(present.sum(axis=1), width - 1)
        width = min(-(-(int(lengths.max()) + 1) // 16) * 16, width)
        ids, words = ids[:, :width], words[:, :width]
        place = np.arange(width)
        inside = place < lengths[:, None]
        tokens = np.where(inside, ids, self._tokenizer.pad_id)
        tokens[np.arange(len(rows)), lengths] = self._tokenizer.sep_id
        content = np.zeros(tokens.shape, np.float32)
        for row, length in enumerate(lengths):
            names = [alignable(word) for word in words_of(self._tokenizer, ids[row, :length], words[row, :length])]
            content[row, :length] = np.array(names, np.float32)[words[row, :length]]
        return {
            "maps": self._maps["maps"][chosen],
            "product": self._maps["product"][chosen],
            "token_ids": tokens.astype(np.int32),
            "token_mask": (place <= lengths[:, None]).astype(np.float32),
            "content": content,
        }
