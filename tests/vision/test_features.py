"""The stream of photos: order, failures, bounded work ahead, and independence of the company."""

import io
import os
import signal
import subprocess
import sys
import time
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kaleido.errors import UserError
from kaleido.vision.backbones import create_backbone
from kaleido.vision.backbones.random_projection import RandomProjection
from kaleido.vision.crops import COLOUR, LEVEL5, ROTATIONS, cut
from kaleido.vision.cutter import Cutter, PhotoGeometry
from kaleido.vision.cutter_process import ProcessCutter
from kaleido.vision.features import FeatureExtractor, PhotoFailure, PhotoFeatures
from kaleido.vision.saliency import BorderSaliency, box_of
from kaleido.vision.saliency.unet_marker import UnetMarker

SIZES = (16, 12, 8, 8, 8)


def png(seed: int) -> bytes:
    random = np.random.default_rng(seed)
    photo = np.full((40, 30, 3), 255, np.uint8)
    photo[5:35, 6:20] = random.integers(0, 200, (30, 14, 3))
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    return buffer.getvalue()


def item(seed: int):
    return f"photo{seed}", lambda: png(seed)


def extractor(batch_size: int = 32, workers: int = 2) -> FeatureExtractor:
    return FeatureExtractor(RandomProjection(24), BorderSaliency(), SIZES, workers, batch_size)


def test_one_photo():
    (found,) = extractor().extract([item(3)])
    assert isinstance(found, PhotoFeatures)
    assert (found.key, found.width, found.height) == ("photo3", 30, 40)
    assert found.box.tolist() == [6, 5, 20, 35]
    assert found.box.dtype == np.int32
    assert found.positions.shape == (55, 5)
    assert found.features.shape == (74, 24)
    assert found.features.dtype == np.float16
    photo = np.asarray(Image.open(io.BytesIO(png(3))))
    crops = cut(photo, box_of(BorderSaliency().mask(photo)), SIZES)
    encode = RandomProjection(24).encode
    np.testing.assert_allclose(found.features[ROTATIONS], encode(crops[0]), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.features[COLOUR], encode(crops[3][:16]), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.features[LEVEL5], encode(crops[4]), rtol=1e-3, atol=1e-6)


def test_order_and_failures():
    def missing():
        raise UserError("file is missing")

    items = [item(seed) for seed in range(40)]
    items[0] = ("gone", missing)
    items[17] = ("broken", lambda: b"no picture")
    items[39] = ("small", lambda: np.zeros((4, 4, 3), np.uint8))
    found = list(extractor().extract(items))
    assert [result.key for result in found] == [key for key, _ in items]
    failures = {result.key: result.reason for result in found if isinstance(result, PhotoFailure)}
    assert list(failures) == ["gone", "broken", "small"]
    assert failures["gone"] == "file is missing"
    assert "too small" in failures["small"]
    assert all(np.abs(result.features).max(axis=1).all() for result in found if isinstance(result, PhotoFeatures))


@pytest.mark.parametrize("name", ["random", "efficientnet_lite0"])
def test_features_do_not_depend_on_the_company(name):
    backbone = create_backbone(name)

    def extract(seeds, workers):
        stream = FeatureExtractor(backbone, BorderSaliency(), (64, 48, 32, 32, 32), workers, 32)
        return {result.key: result.features for result in stream.extract(map(item, seeds))}

    together = extract(range(9), workers=2)
    for seeds in ([8, 2, 5], [4], [7, 6, 5, 4, 3, 2, 1, 0]):
        for key, features in extract(seeds, workers=1).items():
            np.testing.assert_array_equal(features, together[key])


def test_processes_give_the_same_bits(monkeypatch):
    started = []
    begin = ProcessCutter.__init__
    monkeypatch.setattr(ProcessCutter, "__init__", lambda self, *args: (started.append(self), begin(self, *args))[1])
    items = [item(seed) for seed in range(70)]
    items[21] = ("broken", lambda: b"no picture")

    def extract(workers, processes):
        stream = FeatureExtractor(RandomProjection(24), BorderSaliency(), SIZES, workers, 32, processes=processes)
        return list(stream.extract(items))

    expected = extract(2, False)
    assert not started
    found = extract(2, True)
    assert started
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, PhotoFailure):
            assert one == other
            continue
        for name in PhotoFeatures.__slots__:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_process_ends_with_its_pipe_and_its_end_is_told():
    cutter = ProcessCutter(2, UnetMarker(), SIZES, "kaleido")
    assert cutter.open([("one", png(1)), ("two", b"no picture")]).shape == (1, 96, 96, 3)
    photos, crops = cutter.cut(np.ones((1, 96, 96), np.float32))
    assert [type(photo) for photo in photos] == [PhotoGeometry, PhotoFailure]
    expected = Cutter(UnetMarker(), SIZES, "kaleido")
    expected.open([("one", png(1))])
    for size, wanted in expected.cut(np.ones((1, 96, 96), np.float32))[1].items():
        np.testing.assert_array_equal(crops[size], wanted)
    with pytest.raises(ValueError, match="scores"):
        cutter.open([("one", png(1))])
        cutter.cut(None)
    cutter.process.kill()
    with pytest.raises(UserError, match="was killed"):
        cutter.open([("one", png(1))])


LEFT_BEHIND = """
import os, signal
from kaleido.vision.cutter_process import ProcessCutter
from kaleido.vision.saliency import BorderSaliency
cutter = ProcessCutter(2, BorderSaliency(), (8,) * 5, "kaleido")
cutter.open([])
print(cutter.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_does_not_outlive_its_parent():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", LEFT_BEHIND], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    assert not done.stderr
    for _ in range(100):
        if not running(int(done.stdout)):
            return
        time.sleep(0.1)
    pytest.fail("still there after ten seconds")


def running(pid: int) -> bool:
    """Tells whether a process is there and no zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_large_photos_are_decoded_again(monkeypatch):
    whole = list(extractor().extract(map(item, range(3))))
    monkeypatch.setattr("kaleido.vision.cutter.KEPT_PIXELS", 40 * 30)
    for one, other in zip(extractor().extract(map(item, range(3))), whole, strict=True):
        np.testing.assert_array_equal(one.features, other.features)


def test_endless_streams_are_read_only_a_little_ahead():
    read = []

    def noted(seed: int):
        read.append(seed)
        return png(seed)

    stream = extractor().extract((str(seed), lambda seed=seed: noted(seed)) for seed in count())
    assert [result.key for result in islice(stream, 50)] == [str(seed) for seed in range(50)]
    stream.close()
    # The group that is handed out, the next one, two for as many workers, and one that waits.
    assert len(read) <= 50 + 5 * FeatureExtractor.GROUP


def test_no_photos():
    assert list(extractor().extract([])) == []
