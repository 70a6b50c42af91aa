"""Measurements of embedding and searching, on a few photos and rows."""

import io

import numpy as np
import pytest
from PIL import Image

from kaleido.bench.searching import benchmark_embedding, benchmark_searching, clustered


def test_embedding_is_measured_beside_preparing():
    photos = []
    for seed in range(6):
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (20, 20, 3), np.uint8)).save(file, "PNG")
        photos.append(file.getvalue())
    values = benchmark_embedding(photos, "random", "border", seconds=0.01, batch_size=4)
    assert values["share_of_preparing"] == pytest.approx(
        values["examples_per_second"] / values["preparing_examples_per_second"]
    )
    assert values["examples_per_second"] > 0


def test_searching_is_exact_in_a_small_index():
    values = benchmark_searching(300, "random", seconds=0.01)
    assert values["recall_at_10"] > 0.98 and values["filtered_recall_at_10"] > 0.98
    assert 0 < values["p50_ms"] <= values["p95_ms"] and values["disk_bytes"] > 300 * 512


def test_queries_lie_near_vectors():
    vectors, queries = clustered(3000, 10)
    assert vectors.shape == (3000, 256) and np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert (queries @ vectors.T).max(axis=1).min() > 0.5
