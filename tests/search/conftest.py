from pathlib import Path

import pytest
from model_fixtures import model_folders, photo_files  # noqa: F401
from shops import rows_of, write_table

import kaleido


@pytest.fixture
def shop(tmp_path) -> Path:
    """A table of 12 products with 16 photos."""
    return write_table(tmp_path / "shop", rows_of(12))


@pytest.fixture(scope="session")
def two_tower(model_folders) -> kaleido.Model:  # noqa: F811
    return kaleido.load(model_folders["contrastive"])


@pytest.fixture(scope="session")
def matcher(model_folders) -> kaleido.Model:  # noqa: F811
    return kaleido.load(model_folders["retrieval"])


@pytest.fixture(scope="session")
def built(tmp_path_factory, matcher) -> tuple[Path, Path]:
    """Table of 12 products and an index of it, which tests only read."""
    folder = tmp_path_factory.mktemp("built")
    table = write_table(folder / "shop", rows_of(12))
    kaleido.Index.build(folder / "index", table, matcher, progress=False)
    return table, folder / "index"
