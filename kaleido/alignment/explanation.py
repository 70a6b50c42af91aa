"""One product on its whole way: from its photo to what the model gets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaleido.alignment.aligner import FOLDER, Aligner, Heat, texts_of
from kaleido.alignment.explain_config import ExplainConfig
from kaleido.alignment.product_maps import ProductMaps, ProductPhoto
from kaleido.alignment.words import words_of
from kaleido.catalog.product import SPLITS
from kaleido.constants import TASKS
from kaleido.errors import UserError
from kaleido.records.catalog_columns import catalog_of
from kaleido.records.corruption import Corruption
from kaleido.records.draws import Draws
from kaleido.records.masking import GuidedMasking, resolve_masking
from kaleido.records.pairs import Pairs, no_pairs
from kaleido.records.partners import Partners
from kaleido.records.reader import PHOTOS, PhotoRecords, grid_of, kind_of, read_description
from kaleido.text import Tokenizer, load_tokenizer
from kaleido.vision.crops import cut

CROP = 96
"""Pixels a side of each patch's picture."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of one photo and its text.

    Attributes:
        name: Of the photo.
        split: Of its product.
        text: As the catalogue has it.
        photo: Found and cut.
        words: Of the text as the records have it.
        heat: Of these words, or of the caption; None without an aligner.
        caption: Words of a generated caption and their attention [n, L]; None without an aligner.
        pairs: As the records have them.
        aligned: Whether `align` has seen the records.
        tokens: What the model reads, piece by piece.
        masked: bool, which of these were chosen.
        patches: Of each level, uint8 [n, s, s, 3]: what the model gets.
        notes: Of each level, what was done to it.
        changed: Of each level, the places that were changed.
    """

    name: str
    split: str
    text: str
    photo: ProductPhoto
    words: list[str]
    heat: Heat | None
    caption: tuple[list[str], np.ndarray] | None
    pairs: Pairs
    aligned: bool
    tokens: list[str]
    masked: np.ndarray
    patches: list[np.ndarray]
    notes: list[str]
    changed: list[list[int]]


def explain(config: ExplainConfig) -> Explanation:
    """Follows one product from its photo to a masked and corrupted input.

    Raises:
        UserError: if the records are not of a catalogue that is there, or do not have the product.
    """
    directory = Path(config.records)
    metadata, lengths = read_description(directory)
    if kind_of(metadata) != PHOTOS:
        raise UserError(f"{directory}: these are records of {kind_of(metadata)}; explain takes those of a catalogue")
    if grid_of(metadata) != "kaleido":
        raise UserError(f"{directory}: explain shows kaleido patches. Received: records of grid {grid_of(metadata)}")
    splits = [split for split in SPLITS if sum(lengths.get(split, ()))]
    records, row = _find(directory, splits, config)
    tokenizer = load_tokenizer(directory)
    maps = ProductMaps(catalog_of(records, config.catalog), metadata)
    example = records.example(row)
    photo = maps.photo(example["photo_id"].decode())
    aligner = Aligner.load(directory / FOLDER, tokenizer)
    text = texts_of(records, np.array([row]))[0]
    heat = caption = None
    if aligner:
        features, product = maps.encode([photo]), photo.product[None]
        heat = aligner.heats([text], features, product)[0]
        caption = aligner.caption(features, product)[0]
    tokens, masked, patches, notes, changed = _draw(config, records, row, tokenizer, maps, photo)
    return Explanation(
        example["photo_id"].decode(), records.split, example["text"].decode(), photo, words_of(tokenizer, *text), heat,
        caption, records.index.pairs(row), "alignment" in metadata, tokens, masked, patches, notes, changed,
    )  # fmt: skip


def _find(directory: Path, splits: list[str], config: ExplainConfig) -> tuple[PhotoRecords, int]:
    some = ""
    for split in splits:
        records = PhotoRecords.open(directory, split)
        for row in range(len(records)):
            example = records.example(row)
            ids = example["product_id"].decode(), example["photo_id"].decode()
            some = some or ids[0]
            if config.product in ids:
                return records, row
    raise UserError(f"{directory}: has no product of that id, for example {some}. Received: {config.product}")


def _draw(config: ExplainConfig, records: PhotoRecords, row: int, tokenizer: Tokenizer, maps: ProductMaps, photo):
    """What the model gets of the photo and its own text in one epoch."""
    draws = Draws(config.seed, np.array([config.epoch]), np.array([row]))
    settings = resolve_masking(config.preprocess_config, records)
    length = min(int(records.index.text_lengths(np.array([row]))[0]), settings.max_text_length - 2)
    ids, words, _ = records.index.texts(np.array([row]), length)
    token_ids = np.concatenate([[[tokenizer.cls_id]], ids, [[tokenizer.sep_id]]], axis=1).astype(np.int32)
    word_ids = np.pad(words, ((0, 0), (1, 1)), constant_values=-1)
    masking = GuidedMasking(tokenizer, settings.mask_probability, settings.max_predictions, settings.whole_word)
    pairs = records.index.pairs(row) if settings.masking == "guided" else no_pairs()
    masks = masking(token_ids, word_ids, [pairs], draws)
    masked = np.zeros(token_ids.shape[1], bool)
    masked[masks.mlm_positions[0][masks.mlm_weights[0] > 0]] = True
    # SentencePiece's mark of a word's beginning, which few fonts have.
    tokens = [tokenizer.token(int(id)).replace("\u2581", "") or " " for id in masks.token_ids[0]]

    corruption = Corruption.draw(TASKS, masks.patches, draws)
    pictures = np.concatenate(cut(photo.photo, photo.box, (CROP,) * 5))
    levels = [pictures[corruption.vectors[f"level{level}"][0]] for level in range(1, 6)]
    place = int(masks.patches[3][0, 0])
    if len(np.unique(records.index.product)) > 1:
        donor = int(Partners(records.index).donors(np.array([row]), draws)[0])
        other = maps.photo(records.example(donor)["photo_id"].decode())
        levels[2][place] = np.concatenate(cut(other.photo, other.box, (CROP,) * 5))[corruption.donor_vectors[0]]
    levels[4][masks.patches[5][0]] = 255
    turns = int(corruption.labels["rotation_label"][0])
    notes = [
        f"rotation {90 * turns}°", f"jigsaw {int(corruption.labels['jigsaw_label'][0])} of 24", "camouflage",
        "grey-to-colour", "blank-to-colour",
    ]  # fmt: skip
    changed = [[], [], *(masks.patches[level][0].tolist() for level in (3, 4, 5))]
    return tokens, masked, levels, notes, changed
