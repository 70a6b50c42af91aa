import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kaleido.alignment import product_maps
from kaleido.alignment.product_maps import ProductMaps
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.pretrained.processor import prepare_config_of
from kaleido.records import extractor
from kaleido.records.config import PipelineConfig, PrepareConfig
from kaleido.records.folder import Records
from kaleido.records.pipeline import Pipeline
from kaleido.records.place import partial_directory
from kaleido.records.prepare import make_catalog_records, prepare
from kaleido.records.reader import PhotoRecords
from kaleido.text import load_tokenizer
from kaleido.vision.backbones.random_projection import RandomProjection
from kaleido.vision.photo import decode
from kaleido.vision.product import cell_mask, decode_product, encode_product
from kaleido.vision.saliency import BorderSaliency, box_of


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.fixture
def prepared(tmp_path, catalog, prepare_config):
    make_catalog_records(catalog, tmp_path / "prepared", prepare_config)
    return tmp_path / "prepared"


def test_records_hold_the_catalogue(catalog, prepared):
    found, splits_of = {}, {}
    builder = tfds.builder_from_directory(prepared)
    for split in builder.info.splits:
        for example in tfds.as_numpy(builder.as_dataset(split)):
            found[example["photo_id"].decode()] = example
            assert example["split"].decode() == split
            splits_of.setdefault(example["product_id"].decode(), set()).add(split)
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert set.union(*splits_of.values()) == {"train", "validation", "test"}
    tokenizer = load_tokenizer(prepared)
    for product in catalog.products:
        for photo in product.photos:
            example = found.pop(photo.id)
            assert example["text"].decode() == product.text
            assert example["category"].decode() == product.category
            assert example["subcategory"].decode() == product.subcategory
            encoding = tokenizer.encode(product.text)
            assert np.array_equal(example["token_ids"], encoding.ids[:12])
            assert np.array_equal(example["word_ids"], encoding.word_ids[:12])
            assert example["box"].tolist() == [4, 5, 26, 35]
            assert example["photo_size"].tolist() == [30, 40]
            assert example["features"].shape == (74, 64)
            assert example["features"].dtype == np.float16
            assert example["positions"][0] == pytest.approx([4 / 30, 26 / 30, 5 / 40, 35 / 40, 22 * 30 / 1200])
    assert not found


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_index_and_reader_agree_with_plain_tfds(prepared, split):
    records = PhotoRecords.open(prepared, split, backbone="random", feature_size=64)
    source = list(tfds.as_numpy(tfds.builder_from_directory(prepared).as_dataset(split)))
    order = np.random.default_rng(0).permutation(np.tile(np.arange(len(records)), 2))
    features, positions = records.read(order)
    for place, row in enumerate(order):
        example = source[row]
        assert np.array_equal(features[place], example["features"])
        assert np.array_equal(positions[place], example["positions"])
    texts: dict[int, bytes] = {}
    for row, example in enumerate(source):
        index = records.index
        tokens, words, present = index.texts(np.array([row]), 20)
        assert np.array_equal(tokens[present], example["token_ids"])
        assert np.array_equal(words[present], example["word_ids"])
        names = [*records.metadata["categories"], ""], [*records.metadata["subcategories"], ""]
        assert names[0][index.category[row]] == example["category"].decode()
        assert names[1][index.subcategory[row]] == example["subcategory"].decode()
        assert texts.setdefault(index.text[row], example["token_ids"].tobytes()) == example["token_ids"].tobytes()
        assert np.array_equal(records.example(row)["features"], example["features"])
    assert len(set(texts.values())) == len(texts)


def test_same_input_same_bytes_whatever_the_interruptions(tmp_path, catalog, prepare_config, prepared):
    again = tmp_path / "again"
    for reads in (10, 0, 16):
        catalog.reads_left = reads
        with pytest.raises(RuntimeError, match="power cut"):
            make_catalog_records(catalog, again, prepare_config)
        assert not again.exists()
        with pytest.raises(UserError, match="interrupted"):
            PhotoRecords.open(again, "train")
    catalog.reads_left = math.inf
    written = {path.name: path.stat().st_mtime_ns for path in partial_directory(again).glob("*/records/*tfrecord*")}
    assert written
    make_catalog_records(catalog, again, prepare_config)
    assert contents(again) == contents(prepared)
    assert {name: (again / name).stat().st_mtime_ns for name in written} == written
    assert not partial_directory(again).exists()


def test_finished_records_are_kept_or_replaced_on_request(catalog, prepare_config, prepared):
    before = contents(prepared)
    catalog.reads_left = 0
    assert make_catalog_records(catalog, prepared, replace(prepare_config, workers=2, on_error="skip")).seconds == 0
    with pytest.raises(UserError, match=r"shard_photos 7, now 9.*") as error:
        make_catalog_records(catalog, prepared, replace(prepare_config, shard_photos=9))
    assert "--overwrite" in str(error.value)
    catalog.fingerprint = "0" * 64
    with pytest.raises(UserError, match="fingerprint"):
        make_catalog_records(catalog, prepared, prepare_config)
    assert contents(prepared) == before
    catalog.reads_left = math.inf
    make_catalog_records(catalog, prepared, replace(prepare_config, shard_photos=9), overwrite=True)
    assert json.loads((prepared / "metadata.json").read_text())["config"]["shard_photos"] == 9


def test_precision_is_part_of_the_description(tmp_path, catalog, prepare_config, monkeypatch):
    created = []
    for module in (extractor, product_maps):
        monkeypatch.setattr(module, "create_backbone", lambda *options: created.append(options) or RandomProjection())
    half = replace(prepare_config, backbone="efficientnet_lite0", precision="float16")
    make_catalog_records(catalog, tmp_path / "half", half)
    metadata = Records(tmp_path / "half").metadata
    # What alignment and a model that was trained on them compute in.
    ProductMaps(metadata)
    extractor.create_extractor(prepare_config_of({"processor": {"photos": metadata["config"]}}, tmp_path))
    assert created == [("efficientnet_lite0", None, "float16")] * 3
    for precision in ("auto", "float32"):
        with pytest.raises(UserError, match=r"precision 'float16'"):
            make_catalog_records(catalog, tmp_path / "half", replace(half, precision=precision))


def test_an_interrupted_preparation_of_other_settings_is_not_mixed_in(tmp_path, catalog, prepare_config):
    catalog.reads_left = 10
    with pytest.raises(RuntimeError):
        make_catalog_records(catalog, tmp_path / "mixed", prepare_config)
    catalog.reads_left = math.inf
    other = replace(prepare_config, saliency="none")
    with pytest.raises(UserError, match="saliency 'border', now 'none'"):
        make_catalog_records(catalog, tmp_path / "mixed", other)
    make_catalog_records(catalog, tmp_path / "mixed", other, overwrite=True)
    make_catalog_records(catalog, tmp_path / "other", other)
    assert contents(tmp_path / "mixed") == contents(tmp_path / "other")


def test_a_run_that_made_nothing_binds_nobody(tmp_path, catalog, prepare_config):
    catalog.reads_left = 0
    with pytest.raises(RuntimeError):
        make_catalog_records(catalog, tmp_path / "records", prepare_config)
    catalog.reads_left = math.inf
    other = replace(prepare_config, saliency="none")
    make_catalog_records(catalog, tmp_path / "records", other)
    assert PhotoRecords.open(tmp_path / "records", "train").metadata["config"]["saliency"] == "none"


def test_other_files_are_left_alone(tmp_path, catalog, prepare_config):
    (tmp_path / "letter.txt").write_text("dear reader")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="other files"):
            make_catalog_records(catalog, tmp_path, prepare_config, overwrite)


def test_unusable_photos_stop_or_are_listed(tmp_path, catalog, prepare_config):
    first, second = catalog.products[4], catalog.products[5]
    catalog.broken = {photo.uri for product in (first, second) for photo in product.photos}
    uri = first.photos[0].uri
    with pytest.raises(UserError, match=f"{uri}.*{first.id}.*broken.*on_error") as error:
        make_catalog_records(catalog, tmp_path / "records", prepare_config)
    assert "\n" not in str(error.value)
    small_shards = replace(prepare_config, on_error="skip", shard_photos=1)  # some files will hold no record
    summary = make_catalog_records(catalog, tmp_path / "skipped", small_shards)
    assert summary.rejected == len(catalog.broken)
    assert sum(summary.photos.values()) == catalog.photo_count - len(catalog.broken)
    rejects = [json.loads(line) for line in (tmp_path / "skipped" / "rejects.jsonl").read_text().splitlines()]
    assert {reject["uri"] for reject in rejects} == catalog.broken
    assert all("broken" in reject["reason"] for reject in rejects)
    source = list(tfds.as_numpy(tfds.builder_from_directory(tmp_path / "skipped").as_dataset("train")))
    records = PhotoRecords.open(tmp_path / "skipped", "train")
    features, _ = records.read(np.arange(len(records)))
    assert len(source) == len(records)
    assert all(np.array_equal(row, example["features"]) for row, example in zip(features, source))


def test_vocabulary_can_be_given(tmp_path, catalog, prepare_config, prepared):
    path = next(prepared.glob("*.model"))
    make_catalog_records(catalog, tmp_path / "given", replace(prepare_config, vocabulary=str(path)))
    metadata = [json.loads((d / "metadata.json").read_text()) for d in (prepared, tmp_path / "given")]
    assert metadata[0]["vocabulary"] == metadata[1]["vocabulary"]
    with pytest.raises(UserError, match="no vocabulary"):
        make_catalog_records(catalog, tmp_path / "missing", replace(prepare_config, vocabulary="nowhere.model"))


def test_holding_out_everything_is_refused(tmp_path, catalog, prepare_config):
    catalog.products = tuple(replace(product, split="test") for product in catalog.products)
    with pytest.raises(UserError, match="validation_fraction"):
        make_catalog_records(catalog, tmp_path / "records", prepare_config)


def test_records_of_another_kind_are_refused(tmp_path, prepared, monkeypatch):
    for expected, received in (
        (r"backbone is random.*resnet50", {"backbone": "resnet50"}),
        ("64", {"feature_size": 9}),
    ):
        with pytest.raises(UserError, match=expected):
            PhotoRecords.open(prepared, "train", **received)
    with pytest.raises(UserError, match="run `kaleido prepare`"):
        PhotoRecords.open(tmp_path / "nowhere", "train")
    with pytest.raises(UserError, match="only train, validation, test"):
        PhotoRecords.open(prepared, "holdout")
    monkeypatch.setattr("kaleido.records.description.VERSION", "9.0.0")
    with pytest.raises(UserError, match=r"3\.0\.0, expected .*9\.0\.0"):
        PhotoRecords.open(prepared, "train")


def test_damage_is_named(prepared):
    shard = sorted(prepared.glob("*train*tfrecord*"))[0]
    data = bytearray(shard.read_bytes())
    data[len(data) // 8] ^= 1
    shard.write_bytes(data)
    with pytest.raises(UserError, match=f"{shard.name}: record 0 is damaged"):
        PhotoRecords.open(prepared, "train").verify()
    with pytest.raises(UserError, match=f"{shard.name}: record 0 is damaged"):
        PhotoRecords.open(prepared, "train").example(0)
    shard.write_bytes(data[:-1])
    with pytest.raises(UserError, match=f"{shard.name}: damaged"):
        PhotoRecords.open(prepared, "train")
    (prepared / "index-train.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"index-train\.npz"):
        PhotoRecords.open(prepared, "train")


def test_prepared_records_become_batches(prepared):
    pipeline = Pipeline(PhotoRecords.open(prepared, "train"), PipelineConfig(), load_tokenizer(prepared), batch_size=8)
    batch = next(iter(pipeline))
    assert batch["level5"].shape == (8, 25, 64)
    assert (batch["mlm_weights"].sum(axis=1) >= 1).all()


WITHOUT_TENSORFLOW = """
import importlib.machinery
find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = lambda name, *_: None if name == "tensorflow" else find(name, *_)
from kaleido.bench import reading
from kaleido.records import pipeline, prepare
assert reading.benchmark_reading(0.2, feature_size=16, photos=64)["examples_per_second"] > 0
"""


def test_nothing_here_needs_tensorflow():
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW], check=True, timeout=60)


def test_records_keep_what_alignment_needs(prepared, catalog):
    products = {product.id: product for product in catalog.products}
    photos = {photo.id: photo.uri for product in catalog.products for photo in product.photos}
    for split in ("train", "validation", "test"):
        records = PhotoRecords.open(prepared, split)
        for row, (photo, product) in enumerate(zip(records.photo_ids(), records.product_ids())):
            example = records.example(row)
            assert (photo, product) == (example["photo_id"].decode(), example["product_id"].decode())
            assert photo in {p.id for p in products[product].photos}
            view = records.product(row)
            pixels = decode(catalog.read(photos[photo]))
            mask = BorderSaliency().mask(pixels)
            box = box_of(mask)
            assert tuple(view.box) == box
            np.testing.assert_array_equal(view.cells, cell_mask(mask, box))
            np.testing.assert_array_equal(view.picture, decode_product(encode_product(pixels, box)))


def test_a_library_call_takes_a_folder_and_options(tmp_path, catalog, monkeypatch, prepare_config):
    monkeypatch.setattr(Catalog, "open", lambda _: catalog)
    options = {"backbone": "random", "saliency": "border", "vocabulary_size": 120, "workers": 1}
    records = prepare("shop", tmp_path / "records", progress=False, **options)
    assert isinstance(records, Records) and len(records) == sum(len(product.photos) for product in catalog.products)
    assert records.metadata["config"]["saliency"] == "border"
    assert "kaleido patches of some products" in str(records.summary)
    assert (tmp_path / "records" / "patches.png").exists()
    again = prepare(catalog, tmp_path / "records", config=PrepareConfig(**options | {"workers": 2}))
    assert "there already" in str(again.summary)
    with pytest.raises(UserError, match=r"backbonne; did you mean prepare_config\.backbone"):
        prepare(catalog, tmp_path / "records", backbonne="random")
