"""A server over a small index of coloured products and models of random weights."""

from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from model_fixtures import model_folders  # noqa: F401
from servers import BASE, picture

from kaleido.catalog.catalog import Catalog
from kaleido.pretrained.hub import load
from kaleido.search.index import Index
from kaleido.serve.app import create_app
from kaleido.serve.config import ServeConfig
from kaleido.serve.engine import Engine
from kaleido.serve.metrics import Metrics

COLOURS = {"red": (200, 30, 30), "blue": (30, 60, 200), "green": (30, 150, 60), "<b>odd</b> 'é\"": (120, 120, 120)}
KINDS = ("shirt", "hat")
PRICES = (10, 25.5, 40)


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Catalog:
    """A catalogue of 24 products, one with two photos."""
    folder = tmp_path_factory.mktemp("shop")
    rows = ["id,title,photos,category,colour,price"]
    for number, (colour, kind, price) in enumerate((c, k, p) for c in COLOURS for k in KINDS for p in PRICES):
        names = [f"{number}.jpg", *([f"{number}-b.jpg"] if number == 0 else [])]
        for name in names:
            shade = np.clip(np.array(COLOURS[colour]) + number, 0, 255)
            (folder / name).write_bytes(picture(shade, (48 + number, 60)))
        quoted = colour.replace('"', '""')
        rows.append(f'p/{number:02},"{quoted} {kind} number {number}",{"|".join(names)},{kind}s,"{quoted}",{price}')
    (folder / "products.csv").write_text("\n".join(rows), encoding="utf-8")
    return Catalog.from_table(folder / "products.csv", folder / "catalog")


@pytest.fixture(scope="session")
def index_folder(shop, model_folders, tmp_path_factory) -> Path:  # noqa: F811
    """An index of the shop by the two-tower model."""
    folder = tmp_path_factory.mktemp("index") / "shop"
    Index.build(folder, shop, model_folders["contrastive"], progress=False)
    return folder


@pytest.fixture(scope="session")
def config() -> ServeConfig:
    return ServeConfig(source="shop", max_upload_mb=0.3, max_megapixels=1, max_results=50, timeout=20)


@pytest.fixture(scope="session")
def engine(index_folder, model_folders, config):  # noqa: F811
    """An engine with an index, a classifier and a captioner."""
    index = Index.open(index_folder)
    return Engine(
        config, index.model, index, [load(model_folders["category"])], load(model_folders["caption"]), lambda *_: None
    )


@pytest.fixture(scope="session")
def app(engine, config):
    return create_app(engine, config, Metrics(), "shop")


@pytest.fixture
def client(app) -> TestClient:
    # Not as a context manager, which would close the engine that other tests use.
    return TestClient(app, base_url=BASE)
