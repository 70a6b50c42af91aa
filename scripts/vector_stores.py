"""Measures vector stores on vectors such as a two-tower model's: recall, time, memory and disk.

    python scripts/vector_stores.py lancedb --vectors fs.parquet

One store a process, so that memory is its own. `--vectors` is a file of `kaleido embed` with image and text vectors;
its photos are repeated with noise up to `--rows`, and its texts are the queries. Kaleido requires LanceDB alone; the
others: pip install pymilvus milvus-lite qdrant-client.
"""

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

TOP, QUERIES = 10, 500
FILTERS = {"none": None, "1 in 10": ("shade", 3), "1 in 100": ("tint", 42)}


class Exact:
    """Exact search over float32 vectors in memory."""

    def __init__(self, folder):
        self.path = folder / "vectors.npy"

    def build(self, vectors, columns):
        np.save(self.path, vectors)
        self.open(columns)

    def open(self, columns):
        self.vectors, self.columns = np.load(self.path), columns

    def search(self, vector, condition):
        scores = self.vectors @ vector
        if condition:
            scores[self.columns[condition[0]] != condition[1]] = -2
        best = np.argpartition(-scores, TOP)[:TOP]
        return best[np.argsort(-scores[best])]


class LanceDb:
    """LanceDB; `kind` is its index, `flat` for none."""

    def __init__(self, folder, kind="IVF_FLAT"):
        import lancedb

        self.database, self.kind = lancedb.connect(folder), kind

    def build(self, vectors, columns):
        import pyarrow as pa

        flat = pa.array(vectors.astype(np.float16).ravel())
        vector = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        numbers = {name: pa.array(values) for name, values in columns.items()}
        table = self.database.create_table(
            "photos", pa.table({"row": pa.array(np.arange(len(vectors))), **numbers, "vector": vector})
        )
        if self.kind != "flat":
            from lancedb import index

            configs = {"IVF_FLAT": index.IvfFlat, "IVF_HNSW_SQ": index.HnswSq, "IVF_PQ": index.IvfPq}
            table.create_index("vector", config=configs[self.kind](distance_type="cosine"))

    def open(self, columns):
        self.table = self.database.open_table("photos")

    def search(self, vector, condition):
        query = self.table.search(vector, vector_column_name="vector").metric("cosine").limit(TOP)
        query = query.select(["row", "_distance"]).maximum_nprobes(0)
        if condition:
            query = query.where(f"{condition[0]} = {condition[1]}")
        return query.to_arrow()["row"].to_numpy()


class Milvus:
    """Milvus in the process (milvus-lite)."""

    def __init__(self, folder, kind="AUTOINDEX"):
        from pymilvus import MilvusClient

        self.kind = kind
        self.client = MilvusClient(str(folder / "milvus.db"))

    def build(self, vectors, columns):
        from pymilvus import DataType

        schema = self.client.create_schema(auto_id=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
        for name in columns:
            schema.add_field(name, DataType.INT64)
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type=self.kind, metric_type="COSINE")
        self.client.create_collection("photos", schema=schema, index_params=index)
        for start in range(0, len(vectors), 5000):
            part = slice(start, start + 5000)
            fields = {name: values[part].tolist() for name, values in columns.items()}
            self.client.insert(
                "photos",
                [
                    {"row": start + place, "vector": vector, **{name: fields[name][place] for name in fields}}
                    for place, vector in enumerate(vectors[part])
                ],
            )
        self.client.flush("photos")

    def open(self, columns):
        self.client.load_collection("photos")

    def search(self, vector, condition):
        found = self.client.search(
            "photos", data=[vector.tolist()], limit=TOP, filter=f"{condition[0]} == {condition[1]}" if condition else ""
        )
        return np.array([hit["row"] for hit in found[0]])


class Qdrant:
    """Qdrant in the process (its client's local mode)."""

    def __init__(self, folder):
        from qdrant_client import QdrantClient

        self.client = QdrantClient(path=str(folder))

    def build(self, vectors, columns):
        from qdrant_client import models

        shape = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
        self.client.create_collection("photos", vectors_config=shape)
        for start in range(0, len(vectors), 5000):
            part = range(start, min(start + 5000, len(vectors)))
            payloads = [{name: int(values[row]) for name, values in columns.items()} for row in part]
            batch = models.Batch(ids=list(part), vectors=vectors[start : part.stop].tolist(), payloads=payloads)
            self.client.upsert("photos", batch)

    def open(self, columns):
        pass

    def search(self, vector, condition):
        from qdrant_client import models

        chosen = None
        if condition:
            match = models.FieldCondition(key=condition[0], match=models.MatchValue(value=condition[1]))
            chosen = models.Filter(must=[match])
        found = self.client.query_points("photos", query=vector.tolist(), limit=TOP, query_filter=chosen)
        return np.array([point.id for point in found.points])


STORES = {"exact": Exact, "lancedb": LanceDb, "milvus": Milvus, "qdrant": Qdrant}


def repeated(vectors, rows, noise, seed):
    """Repeats vectors of length 1 with noise of the given length, up to a number of rows."""
    random = np.random.default_rng(seed)
    found = vectors[np.arange(rows) % len(vectors)]
    found = found + noise * random.normal(size=found.shape).astype(np.float32) / found.shape[1] ** 0.5
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def data(path, rows):
    """Gives the rows, their columns and the queries."""
    from kaleido.search.vectors import Vectors

    file = Vectors.open(path)
    image, text = file.image.astype(np.float32), file.text.astype(np.float32)
    vectors = repeated(image, rows, 0.3, seed=0)
    random = np.random.default_rng(1)
    queries = text[random.choice(len(text), QUERIES, replace=False)]
    columns = {"shade": random.integers(0, 10, rows), "tint": random.integers(0, 100, rows)}
    return vectors, columns, queries


def resident_mb():
    """Memory that the process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", choices=STORES)
    parser.add_argument("--vectors", required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--options", type=json.loads, default={}, help="arguments of the store, as JSON")
    arguments = parser.parse_args()
    vectors, columns, queries = data(arguments.vectors, arguments.rows)
    queries = queries[: arguments.queries]
    before = resident_mb()
    folder = Path(tempfile.mkdtemp())
    try:
        store = STORES[arguments.store](folder, **arguments.options)
        begun = time.perf_counter()
        store.build(vectors, columns)
        result = {"store": arguments.store, **arguments.options, "build_s": round(time.perf_counter() - begun, 1)}
        store.open(columns)
        for name, condition in FILTERS.items():
            times, hits = [], 0
            for query in queries:
                begun = time.perf_counter()
                found = store.search(query, condition)
                times.append(1000 * (time.perf_counter() - begun))
                scores = vectors @ query
                if condition:
                    scores[columns[condition[0]] != condition[1]] = -2
                hits += len(set(found.tolist()) & set(np.argpartition(-scores, TOP)[:TOP].tolist()))
            p50, p95 = np.percentile(times, [50, 95])
            result[name] = {"recall": round(hits / TOP / len(queries), 4), "p50": round(p50, 1), "p95": round(p95, 1)}
        files = [path for path in folder.rglob("*") if path.is_file()]
        result["disk_mb"] = round(sum(path.stat().st_size for path in files) / 1e6)
        result["memory_mb"] = round(resident_mb() - before)
        result["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before)
        print(json.dumps(result))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
