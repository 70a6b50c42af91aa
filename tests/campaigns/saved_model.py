"""Compares the embeddings of an exported SavedModel with those of Python, on photos of zip files.

    python tests/campaigns/saved_model.py --model runs/two_tower/model --photos homes.zip shop.zip --count 1000

All photos of the first files and every n-th of the last are taken. The SavedModel is asked by a process of its own,
which may import neither Kaleido nor Keras once tensorflow-text is there.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

import kaleido

SUFFIXES = (".jpg", ".jpeg", ".png")

ASK = """
import time, numpy as np, tensorflow as tf, tensorflow_text, sys
sys.modules |= {name: None for name in [*sys.modules, "keras", "kaleido"] if name.split(".")[0] in ("keras", "kaleido")}
ask = tf.saved_model.load("saved").signatures["embed_image"]
names = open("photos.txt").read().splitlines()
files = [open(name, "rb").read() for name in names]
ask(photos=tf.constant(files[:1]))
started = time.perf_counter()
found = [ask(photos=tf.constant(files[n : n + 50]))["embedding"].numpy() for n in range(0, len(files), 50)]
print(f"{len(files) / (time.perf_counter() - started):.1f} photos a second")
np.save("found.npy", np.concatenate(found))
"""


def unpack(archives, count, folder):
    """Writes photos of zip files into a folder; returns their paths."""
    paths = []
    for number, archive in enumerate(archives):
        with zipfile.ZipFile(archive) as opened:
            names = sorted(name for name in opened.namelist() if name.lower().endswith(SUFFIXES))
            if number == len(archives) - 1:
                names = names[:: max(1, len(names) // max(1, count - len(paths)))]
            for name in names[: count - len(paths)]:
                paths.append(folder / f"{len(paths)}{Path(name).suffix}")
                paths[-1].write_bytes(opened.read(name))
    return paths


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--photos", nargs="+", required=True)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = unpack(options.photos, options.count, folder)
        (folder / "photos.txt").write_text("\n".join(map(str, paths)))
        model = kaleido.load(options.model)
        model.export(folder / "saved")
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        subprocess.run([sys.executable, "-c", ASK], cwd=folder, env=environment, check=True)
        cosines = (model.encode_image(paths, progress=False) * np.load(folder / "found.npy")).sum(axis=1)
    print(f"{len(cosines)} photos; least cosine {cosines.min():.6f}, below 0.999: {(cosines < 0.999).sum()}")


if __name__ == "__main__":
    main()
