"""Measures how fast a catalogue is embedded, and an index of it searched."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kaleido.app.model_folder import save_model
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import Photo, Product
from kaleido.model.config import ModelConfig
from kaleido.pretrained.model import Model
from kaleido.records.prepare import prepare
from kaleido.search.encoder import model_checksum
from kaleido.search.index import Index
from kaleido.search.rows import rows_of
from kaleido.search.store import Store
from kaleido.search.vectors import embed
from kaleido.tasks.matching.two_tower import SIZE, TwoTower
from kaleido.text import create_tokenizer
from kaleido.vision.backbones import create_backbone

TOP, CLUSTERS, DIRECTIONS = 10, 1500, 64
"""Results of a query; groups of similar vectors, and directions in which they differ, as real embeddings have."""

FILTER = "category = 'c3' and price < 50"
"""Filter of a second series of queries, which a twentieth of the products pass."""

_PHRASES = tuple(f"{colour} {kind}" for colour in ("red", "blue", "green") for kind in ("dress", "shirt", "shoes"))


def benchmark_embedding(
    photos: Sequence[bytes], backbone: str, saliency: str, seconds: float, batch_size: int
) -> dict[str, float]:
    """Times `embed` with a two-tower model, and `prepare` of the same photos, in turn.

    Each call starts anew: networks are loaded and compiled in its time.

    Args:
        photos: Encoded pictures.
        backbone, saliency: What photos go through.
        seconds: Time to measure for; each is called once at least, after one uncounted call.
        batch_size: Photos of a batch of `embed`.

    Returns:
        `examples_per_second` of `embed`, `preparing_examples_per_second`, and the `share_of_preparing`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, photo in enumerate(photos):
            path = folder / "shop" / f"{number}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(photo)
        rows = [{"id": str(n), "title": _PHRASES[n % len(_PHRASES)], "photos": f"{n}.jpg"} for n in range(len(photos))]
        catalog = Catalog.from_dataframe(rows, folder / "catalog", source=folder / "shop")
        model = two_tower(folder / "model", backbone, saliency)
        times: dict[str, list[float]] = {"embed": [], "prepare": []}
        begun = time.monotonic()
        for turn in range(1000):
            out = folder / f"turn-{turn}"
            start = time.perf_counter()
            embed(catalog, model, out / "v.parquet", batch_size=batch_size, progress=False)
            middle = time.perf_counter()
            prepare(catalog, out / "records", backbone=backbone, saliency=saliency, vocabulary_size=100, progress=False)
            end = time.perf_counter()
            if turn:
                times["embed"].append(middle - start)
                times["prepare"].append(end - middle)
                if time.monotonic() - begun > seconds:
                    break
        rate, preparing = (len(photos) / min(times[name]) for name in ("embed", "prepare"))
    return {
        "examples_per_second": rate,
        "preparing_examples_per_second": preparing,
        "share_of_preparing": rate / preparing,
    }


def benchmark_searching(rows: int, backbone: str, seconds: float) -> dict[str, float]:
    """Times queries of an index of random products.

    Args:
        rows: Number of products, of one photo each.
        backbone: Backbone that the model's folder names; no photo goes through it.
        seconds: Time of each of the two series of text queries.

    Returns:
        `examples_per_second` (text queries, one after another, the model's time included), `p50_ms`, `p95_ms`,
        `filtered_p95_ms`, `recall_at_10` of vectors beside exact search, the same `filtered_recall_at_10`, `build_ms`
        and `disk_bytes` (both without thumbnails).
    """
    vectors, queries = clustered(rows, 200)
    random = np.random.default_rng(1)
    categories, prices = random.integers(0, 10, rows), random.uniform(0, 100, rows).round(2)
    with tempfile.TemporaryDirectory() as name:
        model = Model(two_tower(Path(name) / "model", backbone, "border"))
        listed = [
            (Product(str(n), _PHRASES[n % 9], (), category=f"c{c}", attributes={"price": str(p)}), Photo(str(n), ""))
            for n, (c, p) in enumerate(zip(categories, prices))
        ]
        stamps = {photo.id: photo.id for _, photo in listed}
        begun = time.perf_counter()
        store = Store(str(Path(name) / "index"))
        table = rows_of(listed, stamps, {"category": "text", "price": "number"}, vectors)
        about = {"model": model_checksum(model), "model_place": str(model.directory), "kind": "image"}
        store.create(table, about)
        found = {"build_ms": 1000 * (time.perf_counter() - begun)}
        index = Index(store, model)
        passing = (categories == 3) & (prices < 50)
        for prefix, where, left in (("", None, np.ones(rows, bool)), ("filtered_", FILTER, passing)):
            found[f"{prefix}recall_at_10"] = _recall(index, vectors, queries, where, left)
            times = []
            end = time.monotonic() + seconds
            while time.monotonic() < end or len(times) < 20:
                start = time.perf_counter()
                index.search(_PHRASES[len(times) % len(_PHRASES)], where=where, top=TOP)
                times.append(1000 * (time.perf_counter() - start))
            found[f"{prefix}p50_ms"], found[f"{prefix}p95_ms"] = np.percentile(times[10:], [50, 95]).tolist()
        files = [path for path in (Path(name) / "index").rglob("*") if path.is_file()]
        found["disk_bytes"] = float(sum(path.stat().st_size for path in files))
    return {"examples_per_second": 1000 / found["p50_ms"], **found}


def clustered(rows: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws vectors in groups of similar ones, and queries near groups: float32 [n, d], of length 1."""
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(SIZE, DIRECTIONS)))[0]
    scales = np.linspace(1.5, 0.3, DIRECTIONS)
    centres = random.normal(size=(CLUSTERS, DIRECTIONS)) * scales

    def drawn(count: int, noise: float) -> np.ndarray:
        near = centres[random.integers(0, CLUSTERS, count)] + 0.5 * scales * random.normal(size=(count, DIRECTIONS))
        found = near @ basis.T + noise * random.normal(size=(count, SIZE))
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    return drawn(rows, 0.02), drawn(queries, 0.06)


def two_tower(folder: Path, backbone: str, saliency: str) -> Path:
    """Saves a two-tower model of random weights."""
    tokenizer = create_tokenizer("catalog", _PHRASES, 100)
    config = ModelConfig(vocab_size=tokenizer.vocab_size, feature_size=create_backbone(backbone).feature_size)
    photos = {"backbone": backbone, "saliency": saliency}
    processor = {"text_length": 32, "backbone": backbone, "photos": photos}
    levels = {"levels": [1, 2, 3, 4, 5]}
    save_model(folder, TwoTower(config), "contrastive", tokenizer, task_config=levels, processor=processor)
    return folder


def _recall(index: Index, vectors: np.ndarray, queries: np.ndarray, where: str | None, left: np.ndarray) -> float:
    hits = 0
    for query in queries:
        scores = np.where(left, vectors @ query, -2)
        exact = set(np.argpartition(-scores, TOP)[:TOP].tolist())
        hits += len(exact & {int(hit.id) for hit in index.nearest(query, where, TOP)})
    return hits / TOP / len(queries)
