"""One product from its photo to what the model gets."""

from pathlib import Path
from typing import Any

import numpy as np

from kaleido.alignment.config import ExplainConfig
from kaleido.alignment.explanation_page import Explanation
from kaleido.alignment.product_maps import ProductMaps, product_cells
from kaleido.alignment.words import words_of
from kaleido.backend import import_backend
from kaleido.catalog.catalog import Catalog
from kaleido.configuration import build_section
from kaleido.constants import LEVELS, TASKS
from kaleido.errors import UserError
from kaleido.progress import progress_bars
from kaleido.records.catalog_columns import catalog_of, photo_uri
from kaleido.records.config import PipelineConfig
from kaleido.records.corruption import Corruption
from kaleido.records.description import PHOTOS, grid_of
from kaleido.records.draws import Draws
from kaleido.records.folder import Records
from kaleido.records.masking import GuidedMasking, resolve_masking
from kaleido.records.pairs import no_pairs
from kaleido.records.partners import Partners
from kaleido.records.place import ALIGNER
from kaleido.records.reader import PhotoRecords
from kaleido.text import Tokenizer
from kaleido.vision.crops import cut
from kaleido.vision.photo import decode
from kaleido.vision.product import spread_mask

CROP = 96
"""Pixels a side of each patch's picture."""


def explain(
    records: str | Path | Records,
    product: str,
    *,
    out: str | Path | None = None,
    catalog: str | Path | Catalog | None = None,
    config: PipelineConfig | str | Path | None = None,
    seed: int = 0,
    epoch: int = 0,
    progress: bool = True,
    **options: Any,
) -> Explanation:
    """Follows one product from its photo to one masked and corrupted input.

    Args:
        records: Folder of records, or its handle.
        product: Id of a product, or of one of its photos.
        out: Folder to write the picture and the page to; nothing is written if not given.
        catalog: Catalogue of the records, if it is not the folder around them.
        config: Text length and masking, or a YAML file with them; the defaults if not given.
        seed: Seed of the drawn masks and corruptions.
        epoch: Epoch of the drawn masks and corruptions.
        progress: Whether progress bars are shown.
        **options: Fields of `PipelineConfig`, which win over `config`.

    Returns:
        The steps; `draw()` gives them as a picture, `page()` as HTML.

    Raises:
        UserError: if the records are not of a catalogue that is there, do not have the product, or masking shall be
            guided and they have no pairs.
    """
    required = {"records": str(records), "product": product, "seed": seed, "epoch": epoch}
    config = build_section(ExplainConfig, "preprocess_config", config, options, required)
    records = Records.of(records)
    if records.kind != PHOTOS:
        raise UserError(f"{records.directory}: these are records of {records.kind}; explain takes those of a catalogue")
    if (grid := grid_of(records.metadata)) != "kaleido":
        raise UserError(f"{records.directory}: explain shows kaleido patches. Received: records of grid {grid}")
    import_backend()
    split, row = _find(records, product)
    with progress_bars(progress):
        found = _explain(split, row, _Photos(split, catalog_of(split, catalog)), config, seed, epoch)
    if out is not None:
        found.write(out)
    return found


class _Photos:
    """Reads the photos of records from their catalogue."""

    def __init__(self, records: PhotoRecords, catalog: Catalog):
        self._records = records
        self._catalog = catalog

    def __getitem__(self, row: int) -> np.ndarray:
        uri = photo_uri(self._records, self._catalog, row)
        try:
            return decode(self._catalog.read(uri))
        except UserError as error:
            raise UserError(f"{self._catalog.locate(uri)}: {error}") from None


def _find(records: Records, product: str) -> tuple[PhotoRecords, int]:
    """Finds the split and the row of a product's first photo, or of a photo."""
    for split in map(records.open, records.splits):
        index, name = split.index, product.encode()
        if len(found := np.flatnonzero((index.product_ids == name) | (index.photo_ids == name))):
            return split, int(found[0])
    known = index.product_ids[0].decode()
    raise UserError(f"{records.directory}: has no product of that id, for example {known}. Received: {product}")


def _explain(
    records: PhotoRecords, row: int, photos: _Photos, settings: PipelineConfig, seed: int, epoch: int
) -> Explanation:
    from kaleido.alignment.aligner import Aligner, texts_of

    settings = resolve_masking(settings, records)
    tokenizer = records.read_tokenizer()
    view, photo = records.product(row), photos[row]
    text = texts_of(records, np.array([row]))[0]
    heat = caption = None
    if aligner := Aligner.load(records.directory / ALIGNER, tokenizer):
        features, product = ProductMaps(records.metadata).encode([view.picture]), product_cells(view.cells)[None]
        heat = aligner.heats([text], features, product)[0]
        caption = aligner.caption(features, product)[0]
    tokens, masked, patches, notes, changed = _draw(records, row, photos, tokenizer, settings, seed, epoch)
    box = tuple(view.box.tolist())
    return Explanation(
        name=records.index.photo_ids[row].decode(),
        split=records.split,
        text=records.example(row)["text"].decode(errors="replace"),
        photo=photo,
        mask=spread_mask(view.cells, box, *photo.shape[:2]),
        box=box,
        picture=view.picture,
        words=words_of(tokenizer, *text),
        heat=heat,
        caption=caption,
        pairs=records.index.pairs(row),
        aligned="alignment" in records.metadata,
        tokens=tokens,
        masked=masked,
        patches=patches,
        notes=notes,
        changed=changed,
    )


def _draw(
    records: PhotoRecords,
    row: int,
    photos: _Photos,
    tokenizer: Tokenizer,
    settings: PipelineConfig,
    seed: int,
    epoch: int,
) -> tuple[list[str], np.ndarray, list[np.ndarray], list[str], list[list[int]]]:
    """Draws what the model gets of a photo and its own text in one epoch: the last five fields of `Explanation`."""
    draws = Draws(seed, np.array([epoch]), np.array([row]))
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
    pictures = _cut(records, row, photos)
    levels = [pictures[corruption.vectors[f"level{level}"][0]] for level in LEVELS]
    place = int(masks.patches[3][0, 0])
    if len(np.unique(records.index.product)) > 1:
        donor = int(Partners(records.index).donors(np.array([row]), draws)[0])
        levels[2][place] = _cut(records, donor, photos)[corruption.donor_vectors[0]]
    levels[4][masks.patches[5][0]] = 255
    turns = int(corruption.labels["rotation_label"][0])
    notes = [
        f"rotation {90 * turns}°", f"jigsaw {int(corruption.labels['jigsaw_label'][0])} of 24", "camouflage",
        "grey-to-colour", "blank-to-colour",
    ]  # fmt: skip
    changed = [[], [], *(masks.patches[level][0].tolist() for level in (3, 4, 5))]
    return tokens, masked, levels, notes, changed


def _cut(records: PhotoRecords, row: int, photos: _Photos) -> np.ndarray:
    """Cuts the 74 pictures of a photo: uint8 [74, 96, 96, 3]."""
    return np.concatenate(cut(photos[row], tuple(records.product(row).box.tolist()), (CROP,) * len(LEVELS)))
