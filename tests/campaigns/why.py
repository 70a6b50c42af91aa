"""Checks explanations of hits on the wardrobe, which knows where the parts are that a text names.

    kaleido finetune --task contrastive --records dataset/wardrobe/records --out runs/wardrobe_two_tower ...
    python tests/campaigns/why.py --model runs/wardrobe_two_tower/model --catalog dataset/wardrobe \\
        --records dataset/wardrobe/records --photos 300

A hit is a held-out photo with the text of its product. For each part that the text names and the photo shows, the
heaviest pair of the part's words is taken. Its patch lies on the part if half of the patch, or half of the part, is in
both. `centre` and `random` are the same for the middle patch of level 3 and for random patches of levels 3 to 5.

Then the words and patches of the heaviest pairs of each hit are hidden, and as many random ones.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import kaleido
from kaleido.alignment.quality import named_parts
from kaleido.alignment.words import alignable, words_of
from kaleido.catalog.catalog import Catalog
from kaleido.constants import LEVEL_SLICES, PATCHES
from kaleido.pretrained.inputs import examples_of
from kaleido.search import why
from kaleido.text import load_tokenizer
from kaleido.text.tokenizer import Encoding

FIRST, LAST = LEVEL_SLICES[2].start, PATCHES
HIDDEN = 3
"""Pairs of a hit that are hidden at once."""


def lies_on(box, part, share=0.5):
    """Tells whether half of a patch, or half of a part, is in both: [x1, y1, x2, y2]."""
    width, height = (min(box[i + 2], part[i + 2]) - max(box[i], part[i]) for i in (0, 1))
    if width <= 0 or height <= 0:
        return False, False
    area, of_patch, of_part = width * height, *((b[2] - b[0]) * (b[3] - b[1]) for b in (box, part))
    return area >= share * of_patch, area >= share * min(of_patch, of_part)


def hits_of(catalog, records, tokenizer, count, seed):
    """Held-out photos, their texts, and of each named part its words and boxes in pixels."""
    with np.load(records / "index-validation.npz") as index:
        held_out = {id.decode() for id in index["photo_ids"]}
    found = []
    for product in catalog.products:
        text = product.text
        encoding = tokenizer.encode(text)
        words = words_of(tokenizer, *encoding)
        for photo in product.photos:
            if photo.id not in held_out or not photo.parts:
                continue
            described = [
                (part.name, [words_of(tokenizer, *tokenizer.encode(word)) for word in part.words], tuple(part.box))
                for part in photo.parts
            ]
            parts = {}
            for named in named_parts(words, described):
                parts.setdefault(named.part, set()).add(named.word)
            boxes = {name: [part.box for part in photo.parts if part.name == name] for name in parts}
            if parts:
                found.append((photo, text, [(sorted(parts[name]), boxes[name]) for name in parts]))
    order = np.random.default_rng(seed).permutation(len(found))[:count]
    return [found[number] for number in order]


def fall(model, tokenizer, photo, text, boxes, words, patches):
    """How much the score falls where some words and the regions of some patches are hidden at once."""
    encoding = Encoding(*(values[: model.text_length - 2] for values in tokenizer.encode(text)))
    texts = why._without_words(tokenizer, encoding, len(words_of(tokenizer, *encoding)))["token_mask"]
    _, batch = model._processor.one(next(examples_of(photo, None)[0]))
    visible = np.prod(1 - why.covered(boxes)[list(patches)], axis=0)
    photos = {name: np.repeat(values, 2, axis=0) for name, values in batch.items()}
    for level, place in enumerate(LEVEL_SLICES, 1):
        photos[f"level{level}"][1] *= visible[place, None].astype(np.float16)
    mask = np.prod([texts[1 + word] for word in words], axis=0)
    ids = why._without_words(tokenizer, encoding, 1)["token_ids"]
    scores = why._scorer(model).scores({"token_ids": ids, "token_mask": np.stack([texts[0], mask])}, photos)
    return scores[0, 0] - scores[1, 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "catalog", "records"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model, catalog = kaleido.load(options.model), Catalog.open(options.catalog)
    tokenizer = load_tokenizer(model.directory)
    hits = hits_of(catalog, options.records, tokenizer, options.photos, options.seed)
    random = np.random.default_rng(options.seed)
    rows, falls, seconds = [], [], []
    for photo, text, parts in hits:
        data = catalog.read(photo.uri)
        started = time.perf_counter()
        found = why.explain(model, data, text)
        seconds.append(time.perf_counter() - started)
        boxes = [patch["box"] for patch in found["patches"]]
        for words, places in parts:
            named = [pair["patch"] for pair in found["pairs"] if pair["word"] in words][:1]
            every = [np.max([lies_on(boxes[patch], part) for part in places], axis=0) for patch in range(FIRST, LAST)]
            rows += [(every[patch - FIRST], every[4], np.mean(every, axis=0), np.max(every, axis=0)) for patch in named]
        meaning = [number for number, word in enumerate(found["words"]) if alignable(word["word"])]
        best = found["pairs"][:HIDDEN]
        count = [len({pair[side] for pair in best}) for side in ("word", "patch")]
        by_chance = [random.choice(meaning, min(count[0], len(meaning)), replace=False)]
        by_chance += [random.choice(np.arange(FIRST, LAST), count[1], replace=False)]
        chosen = [{pair[side] for pair in best} for side in ("word", "patch")]
        falls.append([fall(model, tokenizer, data, text, boxes, *hidden) for hidden in (chosen, by_chance)])
    table = np.mean(rows, axis=0)
    named, chance = np.mean(falls, axis=0)
    print(
        json.dumps(
            {
                "hits": len(hits),
                "named parts": len(rows),
                "on the part": dict(zip(("named", "centre", "random", "possible"), table[:, 1].round(3).tolist())),
                "half of the patch": dict(
                    zip(("named", "centre", "random", "possible"), table[:, 0].round(3).tolist())
                ),
                "fall": {
                    "named pairs": round(named, 4),
                    "random pairs": round(chance, 4),
                    "times": round(named / chance, 2),
                },
                "seconds, median": round(float(np.median(seconds)), 3),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
