"""Catalogues, records and tokenizers that cost nothing."""

from types import SimpleNamespace

import pytest
from memory_catalog import MemoryCatalog, make_products

from kaleido.bench.synthetic import write_synthetic
from kaleido.records.config import PrepareConfig
from kaleido.records.reader import PhotoRecords

VOCABULARY_SIZE = 1000


@pytest.fixture
def catalog() -> MemoryCatalog:
    return MemoryCatalog(make_products(24))


@pytest.fixture
def prepare_config() -> PrepareConfig:
    return PrepareConfig(
        saliency="border",
        backbone="random",
        vocabulary_size=120,
        shard_photos=7,
        workers=1,
        validation_fraction=0.2,
        test_fraction=0.2,
        max_stored_tokens=12,
    )


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory):
    """Records of 50 training and 21 validation photos, D = 6, two photos a product."""
    directory = tmp_path_factory.mktemp("synthetic") / "records"
    write_synthetic(directory, 6, {"train": 50, "validation": 21}, shard_photos=16, vocabulary_size=VOCABULARY_SIZE)
    return directory


@pytest.fixture(scope="session")
def records(synthetic) -> PhotoRecords:
    return PhotoRecords.open(synthetic, "train")


@pytest.fixture(scope="session")
def tokenizer():
    """What masking and the pipeline ask of a tokenizer."""
    return SimpleNamespace(
        vocab_size=VOCABULARY_SIZE, pad_id=0, unk_id=1, cls_id=2, sep_id=3, mask_id=4, special_ids=(0, 1, 2, 3, 4)
    )
