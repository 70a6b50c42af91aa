"""Catalogues, records and tokenizers that cost nothing."""

import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kaleido.catalog.product import Photo, Product
from kaleido.errors import UserError
from kaleido.records.config import PrepareConfig
from kaleido.records.reader import Records
from kaleido.records.synthetic import write_synthetic

VOCABULARY_SIZE = 1000


class MemoryCatalog:
    """A catalogue as `kaleido.catalog.catalog.Catalog` presents it, without files."""

    name = "memory"

    def __init__(self, products: list[Product]):
        self.products = tuple(sorted(products, key=lambda product: product.id))
        self.photo_count = sum(len(product.photos) for product in products)
        self.fingerprint = "f" * 64
        self.broken: set[str] = set()
        self.reads_left = math.inf

    def locate(self, uri: str) -> str:
        return f"memory, {uri}"

    def read(self, uri: str) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise RuntimeError("power cut")
        if uri in self.broken:
            raise UserError(f"{uri} is broken")
        seed = int(uri.rpartition("-")[2])
        pixels = np.full((40, 30, 3), 255, np.uint8)
        pixels[5:35, 4:26] = np.random.default_rng(seed).integers(0, 200, (30, 22, 3))
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()


def make_products(count: int) -> list[Product]:
    """Products of 1 to 3 photos."""
    kinds = ("dress", "shirt", "coat", "skirt")
    products = []
    for i in range(count):
        kind = kinds[i % len(kinds)]
        photos = tuple(Photo(f"p{i:03}-{k}", f"photos/p-{3 * i + k}") for k in range(i % 3 + 1))
        products.append(
            Product(
                id=f"product-{i:03}",
                title=f"{'red' if i % 2 else 'blue'} {kind} number {i}",
                description=f"A {kind} with {i} buttons, wool and silk.",
                category="tops" if kind == "shirt" else "others",
                subcategory=kind if i != 1 else "",
                photos=photos,
            )
        )
    return products


@pytest.fixture
def catalog() -> MemoryCatalog:
    return MemoryCatalog(make_products(24))


@pytest.fixture
def prepare_config() -> PrepareConfig:
    return PrepareConfig(
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
def records(synthetic) -> Records:
    return Records.open(synthetic, "train")


@pytest.fixture(scope="session")
def tokenizer():
    """What masking and the pipeline ask of a tokenizer."""
    return SimpleNamespace(
        vocab_size=VOCABULARY_SIZE, pad_id=0, unk_id=1, cls_id=2, sep_id=3, mask_id=4, special_ids=(0, 1, 2, 3, 4)
    )
