"""Finds strokes of letters and signs that lie over a photo, pixel by pixel."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy import ndimage

from kaleido.checkup.measures import quantiles

SIDE = 96
"""Longer side in pixels at which strokes are looked for; smaller photos stay as they are."""

_PATCH = 13
_CORE = 3
_STEP = 2
_HIDDEN = 48
_PATCHES = 40
"""Patches of a photo to learn from, on strokes and beside them."""

_SHARES = (50, 80, 90, 95, 98, 99.5)


class Strokes:
    """A small network that tells whether the middle of a patch lies on a stroke that was laid over the photo.

    Args:
        seed: Seed of its weights and of the patches it learns from.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self._layers: list[tuple[np.ndarray, np.ndarray]] = []

    def learn(self, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> "Strokes":
        """Learns from photos uint8 [H, W, 3] and the same photos with a mark over them."""
        from sklearn.neural_network import MLPClassifier

        random = np.random.default_rng(self.seed)
        patches, answers = [], []
        for clean, marked in pairs:
            drawn = ndimage.maximum_filter(np.abs(clean.astype(int) - marked).max(axis=-1), 1) > 10
            for photo, on in ((clean, np.zeros_like(drawn)), (marked, drawn)):
                photo, on = shrink(photo), _shrunk_mask(on)
                found, places = _patches(photo)
                hit = on[places]
                for group, count in ((hit, _PATCHES), (~hit, _PATCHES)):
                    rows = np.flatnonzero(group)
                    rows = rows[random.permutation(len(rows))[:count]]
                    patches.append(found[rows])
                    answers.append(hit[rows])
        network = MLPClassifier(
            (_HIDDEN, 16), batch_size=256, max_iter=8, learning_rate_init=2e-3, random_state=self.seed, tol=0.0
        )
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it stops at a fixed number of rounds
            network.fit(np.concatenate(patches), np.concatenate(answers))
        self._layers = [
            (w.astype(np.float32), b.astype(np.float32)) for w, b in zip(network.coefs_, network.intercepts_)
        ]
        return self

    def measure(self, photo: np.ndarray) -> np.ndarray:
        """Measures the strokes of a photo uint8 [H, W, 3]: float32 [n], how sure, how many, where."""
        photo = shrink(photo)
        values, (y, x) = _patches(photo)
        for number, (weights, bias) in enumerate(self._layers):
            values = values @ weights + bias
            if number < len(self._layers) - 1:
                values = np.maximum(values, 0)
        sure = values[:, 0].clip(-8, 8)
        rows, columns = len(np.unique(y)), len(np.unique(x))
        grid = sure.reshape(rows, columns)
        ring = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]])
        plain = np.abs(photo[y, x].astype(int) - np.median(ring, axis=0)).max(axis=-1) < 100
        found = [*quantiles(sure, _SHARES), sure.mean()]
        for level in (0, 2):
            mask = grid > level
            labels, count = ndimage.label(mask, np.ones((3, 3)))
            sizes = np.bincount(labels.ravel(), minlength=2)[1:]
            tall, wide = mask.any(axis=1), mask.any(axis=0)
            found += [mask.mean(), count, sizes.max() / mask.size, (sizes > 2).sum(), tall.mean(), wide.mean()]
            found += [(mask.ravel() & plain).mean(), np.ptp(np.flatnonzero(tall)) if tall.any() else 0]
            found += [np.ptp(np.flatnonzero(wide)) if wide.any() else 0]
        for part in np.array_split(grid, 3):
            found += [quantiles(some, 95) for some in np.array_split(part, 3, axis=1)]
        return np.asarray(found, np.float32)


def shrink(photo: np.ndarray) -> np.ndarray:
    """Reduces uint8 [H, W, 3] to at most `SIDE` pixels a side, and pads it where it is smaller than a patch."""
    height, width = photo.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        photo = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BOX, reducing_gap=2.0))
    return np.pad(photo, [*((0, max(0, _PATCH - side)) for side in photo.shape[:2]), (0, 0)], mode="edge")


def _shrunk_mask(mask: np.ndarray) -> np.ndarray:
    return shrink(np.repeat(mask[..., None] * np.uint8(255), 3, axis=2))[..., 0] > 60


def _patches(photo: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Patches of grey and the colours of their middle, float32 [n, d], and the places of their middles."""
    half = _PATCH // 2
    padded = np.pad(photo, [(half, half), (half, half), (0, 0)], mode="edge").astype(np.float32) / 64
    grey = padded.mean(axis=-1)
    windows = sliding_window_view(grey, (_PATCH, _PATCH))[::_STEP, ::_STEP]
    middle = half - _CORE // 2
    core = sliding_window_view(padded - grey[..., None], (_CORE, _CORE), axis=(0, 1))
    core = core[middle : middle + photo.shape[0] : _STEP, middle : middle + photo.shape[1] : _STEP]
    count = windows.shape[0] * windows.shape[1]
    flat = windows.reshape(count, -1)
    level = flat.mean(axis=1, keepdims=True)
    y, x = np.mgrid[0 : photo.shape[0] : _STEP, 0 : photo.shape[1] : _STEP]
    features = np.concatenate([flat - level, level - 3, core.reshape(count, -1)], axis=1)
    return features, (y.ravel(), x.ravel())
