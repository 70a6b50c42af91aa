"""Measures how time, memory and disk grow with the size of a catalogue."""

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from kaleido.bench.importing import write_table
from kaleido.bench.machine import peak_resident_bytes
from kaleido.bench.synthetic import write_synthetic
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.importing import import_table
from kaleido.catalog.tally import Tally
from kaleido.progress import progress_bars, tqdm
from kaleido.records.config import PipelineConfig, PrepareConfig, shard_photos_of
from kaleido.records.pipeline import Pipeline
from kaleido.records.prepare import CatalogSource, prepare
from kaleido.records.reader import PhotoRecords
from kaleido.retrieval.everything import rank_all
from kaleido.retrieval.gallery import PhotoGallery

FEATURE_SIZE, VECTOR_SIZE, SHORTLIST = 16, 128, 100
"""Length of the features of random records and of the vectors of a shortlist; candidates kept of each query."""

_TOKENIZER = SimpleNamespace(
    vocab_size=1000, pad_id=0, unk_id=1, cls_id=2, sep_id=3, mask_id=4, special_ids=(0, 1, 2, 3, 4)
)
_PREPARE = PrepareConfig(saliency="none", backbone="random", vocabulary_size=500)


def benchmark_scaling(rows: int, stages: Sequence[str] = ()) -> dict[str, float]:
    """Runs stages of work on a generated catalogue, each in a process of its own, after what it needs.

    All products share one photo. `prepare` reads the catalogue; `index`, `batch` and `rank` read random records.

    Args:
        rows: Products, of one photo each.
        stages: Names of `STAGES` to measure; all if none is given.

    Returns:
        `examples_per_second` of the first stage, and of each stage `NAME_elapsed_ms` and `NAME_cpu_ms` (of its process
        and threads), `NAME_peak_resident_bytes` (of its process, its libraries included) and `NAME_disk_bytes`, what
        it wrote.
    """
    wanted = [name for name in STAGES if not stages or name in stages]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        done: set[str] = set()
        for stage in wanted:
            for one in (*(need for need in _NEEDS.get(stage, ()) if need not in done), stage):
                if one in done:
                    continue
                measured = _alone(one, folder, rows)
                done.add(one)
                if one in wanted:
                    found |= {f"{one}_{key}": value for key, value in measured.items()}
                    print(
                        f"  {one}: " + ", ".join(f"{key} {value:,.0f}" for key, value in measured.items()), flush=True
                    )
    return {"examples_per_second": 1000 * rows / found[f"{wanted[0]}_elapsed_ms"], **found}


def _alone(stage: str, folder: Path, rows: int) -> dict[str, float]:
    """Runs a stage in a process of its own, since a process's peak of memory never falls."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, stage, folder, rows).result()


def _measured(stage: str, folder: Path, rows: int) -> dict[str, float]:
    before = _disk(folder)
    cpu, begun = _cpu(), time.perf_counter()
    with progress_bars(False):
        STAGES[stage](folder, rows)
    return {
        "elapsed_ms": 1000 * (time.perf_counter() - begun),
        "cpu_ms": 1000 * (_cpu() - cpu),
        "peak_resident_bytes": float(peak_resident_bytes()),
        "disk_bytes": float(_disk(folder) - before),
    }


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _disk(folder: Path) -> int:
    return sum(os.stat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)


def _table(folder: Path, rows: int) -> None:
    write_table(folder / "shop", rows)


def _import(folder: Path, rows: int) -> None:
    import_table(folder / "shop", "products.csv", folder / "catalog")


def _open(folder: Path, rows: int) -> None:
    Catalog.open(folder / "catalog", Tally().add)


def _plan(folder: Path, rows: int) -> None:
    """Does all that a preparation does besides the photos and the records: splits, vocabulary, texts, files."""
    source = CatalogSource(Catalog.open(folder / "catalog"), _PREPARE)
    source.open()
    tokenizer = source.create_tokenizer()
    source.portions(SimpleNamespace(tokenizer=tokenizer), tqdm(disable=True))  # type: ignore[arg-type]


def _prepare(folder: Path, rows: int) -> None:
    prepare(folder / "catalog", folder / "prepared", config=_PREPARE, progress=False)


def _records(folder: Path, rows: int) -> None:
    write_synthetic(
        folder / "records",
        FEATURE_SIZE,
        {"train": rows},
        photos_a_product=1,
        shard_photos=shard_photos_of(rows),
        longest_text=20,
    )


def _index(folder: Path, rows: int) -> None:
    PhotoRecords.open(folder / "records", "train").photo_ids()


def _batch(folder: Path, rows: int) -> None:
    """Does what a training does before its first step, besides the model, whose size is another matter."""
    records = PhotoRecords.open(folder / "records", "train")
    Pipeline(records, PipelineConfig(workers=1), _TOKENIZER, 64).batch(0)  # type: ignore[arg-type]


class _RandomScorer:
    """Scores by cosines of random vectors."""

    threshold = None

    def __init__(self, count: int):
        self._vectors = np.random.default_rng(0).normal(size=(2, count, VECTOR_SIZE)).astype(np.float32)

    def matrix(self, direction: str, queries: np.ndarray) -> np.ndarray:
        mine, theirs = self._vectors if direction == "i2t" else self._vectors[::-1]
        return mine[queries] @ theirs.T


def _rank(folder: Path, rows: int) -> None:
    """Ranks all texts for every photo, and keeps shortlists."""
    gallery = PhotoGallery(PhotoRecords.open(folder / "records", "train"), _TOKENIZER)  # type: ignore[arg-type]
    rank_all(_RandomScorer(rows), gallery, "i2t", 0, SHORTLIST)  # type: ignore[arg-type]


def _search(folder: Path, rows: int) -> None:
    """Makes the index of a search, of vectors that are there; without thumbnails."""
    from kaleido.catalog.product import Photo, Product
    from kaleido.search.rows import rows_of
    from kaleido.search.store import Store

    vectors = np.random.default_rng(0).normal(size=(rows, VECTOR_SIZE)).astype(np.float32)
    listed = [(Product(str(n), f"red dress {n}", category=f"c{n % 9}"), Photo(str(n), "")) for n in range(rows)]
    table = rows_of(listed, {str(n): str(n) for n in range(rows)}, {"category": "text"}, vectors)
    Store(str(folder / "search")).create(table, {"model": "", "model_place": "", "kind": "image"})


STAGES: dict[str, Callable[[Path, int], None]] = {
    "table": _table,
    "import": _import,
    "open": _open,
    "plan": _plan,
    "prepare": _prepare,
    "records": _records,
    "index": _index,
    "batch": _batch,
    "rank": _rank,
    "search": _search,
}

_NEEDS = {
    "import": ("table",),
    **dict.fromkeys(("open", "plan", "prepare"), ("table", "import")),
    **dict.fromkeys(("index", "batch", "rank"), ("records",)),
}
