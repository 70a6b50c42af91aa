"""Tries candidates for contrastive learning one at a time, with several seeds each, and writes a table of the effects.

    python scripts/contrastive_candidates.py dataset/fashion-small/records dataset/fashion-small --out runs/candidates

Every candidate is the same two-tower model with one change: the mean features of each patch level embedded in 128
numbers and read by a hidden layer of 1,024, beside the mean of a title's token embeddings (128 numbers). Trains on
training products, measures on validation products: SumR among up to 100 others of the sub-category, and the share of
the titles that no training product has whose photo is among the first 10 of all validation and training photos,
without and with query-bank normalisation by the training titles. The effect is the mean difference to `base` with the
same seed, and its 95 % interval by Student's t. Runs that are in OUT already are not repeated.
"""

import argparse
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from scipy.stats import t as student

from kaleido.app.config import OptimizerConfig
from kaleido.app.optimizer import create_optimizer
from kaleido.atomic import file_written_atomically, write_atomically
from kaleido.catalog.catalog import Catalog
from kaleido.model.contrastive import contrastive_logits, unit
from kaleido.progress import tqdm
from kaleido.records.corruption import WHOLE
from kaleido.records.open import open_records
from kaleido.retrieval.cosine_scorer import bank_offsets
from kaleido.vision.backbones import create_backbone
from kaleido.vision.photo import decode

BATCH, EPOCHS, DROPOUT, LENGTH = 512, 6, 0.2, 22
OPTIMIZER = OptimizerConfig(learning_rate=2e-3, weight_decay=1e-2)
EMBEDDED, HIDDEN, SIZE = 128, 1024, 256
SPLITS = ("train", "validation")
LARGER = 224


class Candidate(NamedTuple):
    """One change of the training; the defaults are `base`."""

    words_left_out: float = 0.0
    """Share of the words that are left out of a title."""
    patches_left_out: float = 0.0
    """Share of the patches of each level that are left out."""
    both: bool = False
    """Whether the whole title is learned too where words are left out of it."""
    one_subcategory: float = 0.0
    """Share of the products that come in batches of their sub-category."""
    similar_titles: float = 0.0
    """Share of the target that goes to titles with similar words."""
    momentum: float = 0.0
    """Share of the target that a copy of the model gives, an average of its past weights."""
    averaged: bool = False
    """Whether the average of past weights is measured."""
    fields: float = 0.0
    """Weight of the losses between a photo and the value of each field."""
    larger: bool = False
    """Whether the features of the whole photo at 224 pixels are read as well."""


CANDIDATES = {
    "base": Candidate(),
    "word dropout 0.2": Candidate(words_left_out=0.2),
    "masked and whole titles": Candidate(words_left_out=0.2, both=True),
    "patches left out 0.5": Candidate(patches_left_out=0.5),
    "semi-hard batches 0.5": Candidate(one_subcategory=0.5),
    "soft targets by words 0.2": Candidate(similar_titles=0.2),
    "momentum copy 0.4": Candidate(momentum=0.4),
    "EMA weights 0.99": Candidate(averaged=True),
    "losses per field 0.25": Candidate(fields=0.25),
    "whole photo at 224": Candidate(larger=True),
}


class Data:
    """Titles, fields and features of a split.

    Args:
        records: Folder of records.
        catalog: Its catalogue.
        split: `train` or `validation`.
        fields: Attributes of the catalogue that are learned besides titles.
        out: Folder where features are kept.
    """

    def __init__(self, records: Path, catalog: Catalog, split: str, fields: list[str], out: Path):
        self.records = open_records(records, split)
        self.index = self.records.index
        self.features = self._kept(out / f"levels-{split}.npy", self._means)
        self.larger = functools.partial(self._kept, out / f"larger-{split}.npy", lambda: self._larger(catalog))
        products = {product.id: product for product in catalog.products}
        tokenizer = self.records.read_tokenizer()
        self.fields = np.zeros((len(fields), len(self.records), LENGTH), np.int32)
        for row, name in enumerate(self.records.product_ids()):
            product = products[name]
            for field, column in enumerate(fields):
                value = product.subcategory if column == "subcategory" else product.attributes.get(column)
                ids = tokenizer.encode(value or "").ids[:LENGTH]
                self.fields[field, row, : len(ids)] = ids

    def titles(self, rows: np.ndarray, left_out: float, random: np.random.Generator) -> np.ndarray:
        """Reads titles without some words, of which each keeps at least one: int32 [n, LENGTH], 0 where none is."""
        ids, words, present = self.index.texts(rows, LENGTH)
        drawn = random.random((len(rows), words.max() + 1))
        drawn[np.arange(len(rows)), random.integers(0, words.max(axis=1) + 1)] = 1.0
        return np.where(present & (np.take_along_axis(drawn, words, 1) >= left_out), ids, 0).astype(np.int32)

    def patches(self, rows: np.ndarray, left_out: float, random: np.random.Generator) -> np.ndarray:
        """Averages a part of each level's patches: float16 [n, 5, D]."""
        first, found = self.records.first_rows[rows][:, None], []
        for vectors in WHOLE.values():
            kept = max(1, round(len(vectors) * (1 - left_out)))
            chosen = np.argsort(random.random((len(rows), len(vectors))), axis=1)[:, :kept]
            found.append(self.records.table[first + vectors[chosen]].mean(axis=1, dtype=np.float32))
        return np.stack(found, axis=1).astype(np.float16)

    def _means(self) -> np.ndarray:
        random, rows = np.random.default_rng(0), np.arange(len(self.records))
        blocks = np.array_split(rows, max(1, len(rows) // 256))
        return np.concatenate([self.patches(block, 0.0, random) for block in tqdm(blocks, "read features")])

    def _larger(self, catalog: Catalog) -> np.ndarray:
        backbone = create_backbone("efficientnet_lite0")
        uris = {photo.id: photo.uri for product in catalog.products for photo in product.photos}

        def picture(name: str) -> np.ndarray:
            image = Image.fromarray(decode(catalog.read(uris[name])))
            return np.asarray(image.resize((LARGER, LARGER), Image.Resampling.BICUBIC))

        names = self.records.photo_ids()
        blocks = [names[start : start + 32] for start in range(0, len(names), 32)]
        parts = (backbone.encode(np.stack([*map(picture, block)])) for block in tqdm(blocks, "encode photos"))
        return np.concatenate([*parts]).astype(np.float16)[:, None]

    @staticmethod
    def _kept(path: Path, make) -> np.ndarray:
        if not path.exists():
            with file_written_atomically(path) as file:
                np.save(file, make())
        return np.load(path)


class Towers(keras.Model):
    """Embeds titles and photos, in 256 numbers of length 1.

    Args:
        vocabulary: Number of tokens.
        levels: Number of mean features of a photo.
    """

    def __init__(self, vocabulary: int, levels: int):
        super().__init__()
        self.tokens = keras.layers.Embedding(vocabulary, EMBEDDED, keras.initializers.RandomNormal(stddev=0.02))
        self.text_norm, self.text_out = keras.layers.LayerNormalization(), keras.layers.Dense(SIZE)
        self.low = [keras.layers.Dense(EMBEDDED, use_bias=False) for _ in range(levels)]
        self.low_norms = [keras.layers.LayerNormalization() for _ in range(levels)]
        self.hidden, self.photo_out = keras.layers.Dense(HIDDEN, activation="gelu"), keras.layers.Dense(SIZE)
        self.dropout = keras.layers.Dropout(DROPOUT)
        self.scale = self.add_weight(shape=(), initializer=keras.initializers.Constant(np.log(1 / 0.07)), name="scale")

    def texts(self, ids: tf.Tensor) -> tf.Tensor:
        there = tf.cast(ids > 0, tf.float32)[..., None]
        mean = tf.reduce_sum(self.tokens(ids) * there, 1) / tf.maximum(tf.reduce_sum(there, 1), 1.0)
        return unit(self.text_out(self.text_norm(mean)))

    def photos(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        features = tf.cast(features, tf.float32)
        embedded = [norm(low(features[:, i])) for i, (low, norm) in enumerate(zip(self.low, self.low_norms))]
        hidden = self.hidden(self.dropout(tf.concat(embedded, -1), training=training))
        return unit(self.photo_out(self.dropout(hidden, training=training)))

    def call(self, ids: tf.Tensor, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self.texts(ids), self.photos(features)


def loss_of(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Computes the symmetric contrastive loss of logits [B, 2, B] for shares of the answers [B, 2, B]."""
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


class Training:
    """One run of a candidate."""

    def __init__(self, candidate: Candidate, seed: int, data: dict[str, Data]):
        keras.utils.set_random_seed(seed)
        self.candidate, self.data, self.random = candidate, data, np.random.default_rng(seed)
        self.features = {
            split: np.concatenate([of.features, *([of.larger()] if candidate.larger else [])], axis=1)
            for split, of in data.items()
        }
        train, self.batches = data["train"], len(data["train"].records) // BATCH
        self.vocabulary = train.records.read_tokenizer().vocab_size
        self.model, self.past = (Towers(self.vocabulary, self.features["train"].shape[1]) for _ in range(2))
        for model in (self.model, self.past):
            model(np.ones((1, LENGTH), np.int32), self.features["train"][:1])
        self.past.set_weights(self.model.get_weights())
        self.optimizer = create_optimizer(OPTIMIZER, EPOCHS * self.batches, self.model.trainable_weights)

    def run(self) -> None:
        for _ in range(EPOCHS):
            for rows in self.order():
                self.step(*map(tf.constant, self.batch(rows)))
        if self.candidate.averaged:
            self.model.set_weights(self.past.get_weights())

    def order(self) -> Iterator[np.ndarray]:
        """Yields the rows of each batch of an epoch."""
        order = self.random.permutation(len(self.data["train"].records))
        if share := self.candidate.one_subcategory:
            together = self.random.random(len(order)) < share
            labels = self.data["train"].index.subcategory[order]
            order = order[np.lexsort((self.random.random(len(order)), np.where(together, labels, -1)))]
        batches = order[: self.batches * BATCH].reshape(-1, BATCH)
        yield from self.random.permutation(batches)

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        rows, train, left_out = np.sort(rows), self.data["train"], self.candidate.patches_left_out
        features = train.patches(rows, left_out, self.random) if left_out else self.features["train"][rows]
        whole = train.titles(rows, 0.0, self.random)
        return features, train.titles(rows, self.candidate.words_left_out, self.random), whole, train.fields[:, rows]

    @tf.function(reduce_retracing=True)
    def step(self, features: tf.Tensor, titles: tf.Tensor, whole: tf.Tensor, fields: tf.Tensor) -> None:
        candidate, model, weights = self.candidate, self.model, self.model.trainable_weights

        targets = own = tf.repeat(tf.eye(tf.shape(whole)[0])[:, None], 2, axis=1)
        if candidate.similar_titles:
            words = unit(tf.minimum(tf.reduce_sum(tf.one_hot(whole, self.vocabulary), 1), 1.0)[:, 1:])
            similar = contrastive_logits(words, words, np.log(10.0), {"token_ids": whole})
            targets = (1 - candidate.similar_titles) * own + candidate.similar_titles * tf.nn.softmax(similar)
        if candidate.momentum:
            past = self.past
            taught = contrastive_logits(past.texts(whole), past.photos(features), past.scale, {"token_ids": whole})
            targets = (1 - candidate.momentum) * own + candidate.momentum * tf.nn.softmax(taught)
        with tf.GradientTape() as tape:
            photos = model.photos(features, training=True)

            def logits(ids: tf.Tensor, equal: tf.Tensor) -> tf.Tensor:
                return contrastive_logits(model.texts(ids), photos, model.scale, {"token_ids": equal})

            loss = loss_of(logits(titles, whole), targets)
            if candidate.both:
                loss = (loss + loss_of(logits(whole, whole), targets)) / 2
            if candidate.fields:
                for values in tf.unstack(fields):
                    loss += candidate.fields * loss_of(logits(values, values), own)
        gradients = map(tf.convert_to_tensor, tape.gradient(loss, weights))
        clipped, _ = tf.clip_by_global_norm([*gradients], OPTIMIZER.clip_norm)
        self.optimizer.apply(clipped, weights)
        if candidate.momentum or candidate.averaged:
            for past, now in zip(self.past.trainable_weights, weights):
                past.assign(0.99 * past + 0.01 * now)

    def measure(self) -> dict[str, float]:
        texts, photos = {}, {}
        for split, data in self.data.items():
            blocks = np.array_split(np.arange(len(data.records)), max(1, len(data.records) // 1024))
            texts[split] = np.concatenate([self.model.texts(data.titles(b, 0.0, self.random)) for b in blocks])
            photos[split] = np.concatenate([self.model.photos(self.features[split][b]) for b in blocks])
        index, known = self.data["validation"].index, self.data["train"].index.text
        titles, firsts = np.unique(index.text, return_index=True)
        unseen = firsts[~np.isin(titles, known)]
        _, bank = np.unique(known, return_index=True)
        scale = float(np.exp(self.model.scale.numpy()))
        cosines = {split: texts["validation"][unseen] @ photos[split].T for split in photos}
        right = index.text[unseen][:, None] == index.text[None]
        found = {"SumR": subcategory_recall(texts["validation"], photos["validation"], index), "R@10": 0.0, "bank": 0.0}
        for name in ("R@10", "bank"):
            offsets = {split: np.zeros(len(of)) for split, of in photos.items()}
            if name == "bank":
                offsets = {split: bank_offsets(of, texts["train"][bank], scale) for split, of in photos.items()}
            own, others = cosines["validation"] - offsets["validation"], cosines["train"] - offsets["train"]
            best = np.where(right, own, -np.inf).max(axis=1)[:, None]
            ranks = 1 + (np.where(right, -np.inf, own) >= best).sum(axis=1) + (others >= best).sum(axis=1)
            found[name] = 100 * float((ranks <= 10).mean())
        return found


def subcategory_recall(texts: np.ndarray, photos: np.ndarray, index) -> float:
    """Sums R@1, R@5 and R@10 of both directions among up to 100 others of the sub-category, in percent."""
    random, cosines, hits = np.random.default_rng(5), texts @ photos.T, []
    for label in np.unique(index.subcategory):
        members = np.flatnonzero(index.subcategory == label)
        for one in members if len(members) >= 60 else []:
            others = members[index.text[members] != index.text[one]]
            others = random.choice(others, min(100, len(others)), replace=False)
            for values in (cosines[one, others], cosines[others, one]):
                rank = 1 + (values >= cosines[one, one]).sum()
                hits.append([rank <= cutoff for cutoff in (1, 5, 10)])
    return 200 * float(np.mean(hits, axis=0).sum())


def table(runs: dict[str, list[dict[str, float]]]) -> str:
    """Makes a Markdown table of the means and the effects with their intervals."""
    lines = ["| | SumR | R@10 of unseen titles | with a bank |", "|---|---:|---:|---:|"]
    for name, found in runs.items():
        cells = []
        for metric in ("SumR", "R@10", "bank"):
            values = np.array([run[metric] for run in found])
            cell = f"{values.mean():.1f}"
            if name != "base":
                effects = values - [run[metric] for run in runs["base"]]
                half = student.ppf(0.975, len(effects) - 1) * effects.std(ddof=1) / len(effects) ** 0.5
                cell += f" ({effects.mean():+.1f} ± {half:.1f})"
            cells.append(cell)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fields", nargs="+", default=["articleType", "baseColour"], help="columns of attributes")
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=[*CANDIDATES])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    catalog = Catalog.open(given.catalog)
    data = {split: Data(given.records, catalog, split, given.fields, given.out) for split in SPLITS}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CANDIDATES}
    for seed in range(given.seeds):
        for name in given.only:
            path = given.out / f"{name.replace(' ', '_')}-{seed}.json"
            if not path.exists():
                training = Training(CANDIDATES[name], seed, data)
                training.run()
                write_atomically(path, json.dumps(training.measure()).encode())
                print(name, seed, path.read_text(), flush=True)
            runs[name].append(json.loads(path.read_text()))
    write_atomically(given.out / "candidates.md", table({name: of for name, of in runs.items() if of}).encode())
    print((given.out / "candidates.md").read_text())


if __name__ == "__main__":
    main()
