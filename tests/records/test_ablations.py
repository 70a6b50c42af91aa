"""What the ablations of Table 4 are made of: one fixed grid, no saliency, and masking that looks at no pairs."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from kaleido.alignment.config import AlignConfig
from kaleido.alignment.rule import hottest_patches, patch_boxes
from kaleido.constants import LEVEL_SLICES, PATCHES
from kaleido.records.config import PipelineConfig
from kaleido.records.description import grid_of
from kaleido.records.open import open_records
from kaleido.records.pairs import Pairs
from kaleido.records.pipeline import Pipeline
from kaleido.records.prepare import make_catalog_records
from kaleido.records.reader import PhotoRecords
from kaleido.vision.patches import FIXED_COLUMNS, FIXED_ROWS, cells, places, positions
from kaleido.vision.photo import decode


def test_the_fixed_grid_has_55_cells_of_one_size_that_do_not_overlap():
    grid = cells((3, 5, 3 + 10 * FIXED_COLUMNS, 5 + 10 * FIXED_ROWS), "fixed")
    assert grid.shape == (PATCHES, 4) and grid.dtype == np.int32
    assert (grid[:, 2:] - grid[:, :2] == 10).all()
    covered = np.zeros((100, 100), int)
    for x1, y1, x2, y2 in grid:
        covered[y1:y2, x1:x2] += 1
    assert covered.max() == 1 and covered.sum() == PATCHES * 100
    # All but the last corner of the box.
    assert covered[5:75, 3:73].all() and not covered[75:85, 63:73].any() and covered[75:85, 3:63].all()


def test_the_fixed_grid_goes_from_the_middle_outwards():
    rows, columns = np.array(places("fixed"))[:, :2].T
    distance = np.hypot(rows - (FIXED_ROWS - 1) / 2, columns - (FIXED_COLUMNS - 1) / 2)
    levels = [distance[level] for level in LEVEL_SLICES]
    for inner, outer in pairwise(levels):
        assert inner.max() <= outer.min() + 1e-9
    for level in LEVEL_SLICES:
        order = rows[level] * FIXED_COLUMNS + columns[level]
        assert (np.diff(order) > 0).all()


def test_every_fixed_cell_of_a_small_box_has_a_pixel():
    grid = cells((0, 0, FIXED_ROWS, FIXED_ROWS), "fixed")
    assert ((grid[:, 2:] - grid[:, :2]) >= 1).all()
    assert positions(grid, 8, 8)[:, 4].sum() == pytest.approx(1 - 1 / 64 * (8 // 7 + 1), abs=0.02)


def test_words_meet_the_fixed_patch_that_is_under_their_heat():
    heat = np.zeros((1, 56, 56))
    heat[0, 7:14, 8:16] = 1  # row 1, column 1 of 8 x 7
    (found,) = hottest_patches(heat.reshape(1, -1), AlignConfig(region_share=1.0), "fixed")
    assert places("fixed")[found[0]][:2] == (1, 1)
    boxes = patch_boxes("fixed")
    assert boxes.shape == (50, 4) and boxes.min() == 0 and boxes.max() == 1


def test_fixed_records_differ_in_their_patches_alone(tmp_path, catalog, prepare_config):
    whole = replace(prepare_config, saliency="none")
    make_catalog_records(catalog, tmp_path / "kaleido", whole)
    make_catalog_records(catalog, tmp_path / "fixed", replace(whole, grid="fixed"))
    ours, fixed = (open_records(tmp_path / name, "train") for name in ("kaleido", "fixed"))
    assert grid_of(ours.metadata) == "kaleido" and grid_of(fixed.metadata) == "fixed"
    first, second = ours.example(0), fixed.example(0)
    for name in ("product_id", "photo_id", "token_ids", "box"):
        assert np.array_equal(first[name], second[name])
    width, height = first["photo_size"]
    assert np.array_equal(second["positions"], positions(cells((0, 0, width, height), "fixed"), width, height))
    assert not np.array_equal(first["features"], second["features"])
    uri = catalog.products[0].photos[0].uri
    assert decode(catalog.read(uri)).shape[:2] == (height, width)


def test_random_masking_looks_at_no_pairs(records, tokenizer, tmp_path):
    pairs = [
        Pairs(np.zeros(1, np.int32), np.array([20], np.int32), np.ones(1, np.float32)) for _ in range(len(records))
    ]
    guided = PhotoRecords.open(records.directory, "train")
    guided.index = records.index.with_pairs(pairs)

    def batches(of, masking):
        pipeline = Pipeline(of, PipelineConfig(max_text_length=32, masking=masking), tokenizer, 16, seed=5)
        return [pipeline.batch(step) for step in range(3)]

    def same(one, other):
        return all(np.array_equal(a[key], b[key]) for a, b in zip(one, other) for key in a)

    without = batches(records, "guided")
    assert same(without, batches(records, "random")) and same(without, batches(guided, "random"))
    assert not same(without, batches(guided, "guided"))
