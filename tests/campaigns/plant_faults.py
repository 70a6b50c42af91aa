"""Plants faults into the products of a split, examines them, and prints what `kaleido doctor` found of them.

    python tests/campaigns/plant_faults.py CATALOG --model MODEL --out FOLDER

The damages are made here and not by `kaleido.checkup`, which draws others to learn from.
"""

import argparse
import io
import json
import math
import random
import shutil
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from kaleido.catalog import product_json
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import Photo
from kaleido.checkup.examine import Report, doctor
from kaleido.vision.photo import decode

GROUPS = {
    "duplicate": ("duplicate_photo", "duplicate_product"),
    "swapped text": ("mismatch",),
    "wrong label": ("wrong_label",),
    "blurred photo": ("blurred_photo",),
    "bad photo": ("blank_photo", "cut_photo", "tiny_photo", "watermarked_photo"),
    "bad text": ("empty_text", "boilerplate_text"),
}
"""Kinds of findings that are right for each kind of planted fault."""

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
EMPTY = ("-", ".", "?", "n/a", "TBD", "Product name", "no description", "...", "test", "000")
BOILERPLATE = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit",
    "Best quality at the lowest price. Order now and get free shipping",
    "Great offer! Buy online today, easy returns within 30 days",
    "New arrival, limited stock, hurry up and shop now",
    "Please contact our customer service for more information",
    "Free delivery on all orders. Secure payment. Satisfaction guaranteed",
    "Colour may vary slightly from the images shown due to your screen settings",
    "Brand new item, authentic product, ships worldwide",
)


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue()))


def edited(picture: Image.Image, draw: random.Random) -> tuple[Image.Image, str]:
    """A near-duplicate: one edit, or two of them."""
    edits = draw.sample(["jpeg", "resize", "flip", "crop", "bright"], draw.choice([1, 1, 2]))
    width, height = picture.size
    for edit in edits:
        if edit == "jpeg":
            picture = jpeg(picture, draw.randint(30, 70))
        elif edit == "resize":
            share = draw.uniform(0.7, 2)
            picture = picture.resize((round(width * share), round(height * share)), Image.Resampling.LANCZOS)
        elif edit == "flip":
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        elif edit == "crop":
            sides = [draw.uniform(0, 0.06) for _ in range(4)]
            w, h = picture.size
            left, top, right, bottom = (round(side * share) for side, share in zip((w, h, w, h), sides))
            picture = picture.crop((left, top, w - right, h - bottom))
        else:
            picture = ImageEnhance.Brightness(picture).enhance(draw.uniform(0.75, 1.25))
    return picture, "+".join(sorted(edits))


def blurred(picture: Image.Image, draw: random.Random) -> tuple[Image.Image, str]:
    unit = min(picture.size) / 60
    if draw.random() < 0.5:
        return picture.filter(ImageFilter.GaussianBlur(draw.uniform(1.2, 3) * unit)), "gaussian"
    steps = max(4, round(draw.uniform(5, 9) * unit))
    angle = draw.uniform(0, math.pi)
    pixels = np.asarray(picture, np.float32)
    moved = [
        np.roll(pixels, (round(step * math.sin(angle)), round(step * math.cos(angle))), (0, 1))
        for step in np.linspace(-steps / 2, steps / 2, 2 * steps)
    ]
    return Image.fromarray(np.mean(moved, axis=0).astype(np.uint8)), "motion"


def watermarked(picture: Image.Image, draw: random.Random) -> tuple[Image.Image, str]:
    width, height = picture.size
    opacity = draw.uniform(0.35, 0.8)
    kind = draw.choice(["text", "logo", "tiles"])
    colour = draw.choice([(90, 90, 90), (0, 0, 0), (200, 30, 30), (30, 60, 180), (150, 150, 150)])
    side = 2 * max(width, height)
    layer = Image.new("L", (side, side))
    pen = ImageDraw.Draw(layer)
    face = FONTS / draw.choice(["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf"])
    words = draw.choice(["mystore.com", "WATERMARK", "© 2024 Fashion", "Trial", "photostock"])
    if kind == "text":
        font = ImageFont.truetype(face, max(8, round(width / len(words) * 1.5)))
        pen.text((side / 2, side / 2), words, fill=255, font=font, anchor="mm")
    elif kind == "logo":
        radius = width * draw.uniform(0.15, 0.3)
        box = (side / 2 - radius, side / 2 - radius, side / 2 + radius, side / 2 + radius)
        pen.ellipse(box, outline=255, width=max(1, round(width / 25)))
        pen.text((side / 2, side / 2), "M", fill=255, font=ImageFont.truetype(face, round(radius)), anchor="mm")
    else:
        font = ImageFont.truetype(face, max(7, width // 8))
        step = round(width * draw.uniform(0.25, 0.4))
        for y in range(0, side, step):
            for x in range((y // step % 2) * step, side, 2 * step):
                pen.text((x, y), words[:5], fill=255, font=font)
    layer = layer.rotate(draw.choice([0, 25, 45, -35]), Image.Resampling.BICUBIC)
    shift = (0, 0) if kind == "tiles" else (draw.uniform(-0.2, 0.2) * width, draw.uniform(-0.3, 0.3) * height)
    left, top = round((side - width) / 2 - shift[0]), round((side - height) / 2 - shift[1])
    mask = layer.crop((left, top, left + width, top + height)).point(lambda value: int(value * opacity))
    picture = picture.copy()
    picture.paste(colour, mask=mask)
    return picture, f"watermark {kind}"


def spoiled(picture: Image.Image, number: int, draw: random.Random) -> tuple[Image.Image, str]:
    """A blank, cut, tiny or watermarked photo, in turn."""
    width, height = picture.size
    kind = ("blank", "cut", "tiny", "watermarked")[number % 4]
    if kind == "watermarked":
        return watermarked(picture, draw)
    if kind == "tiny":
        share = draw.uniform(0.12, 0.33)
        return picture.resize((max(6, round(width * share)), max(6, round(height * share)))), "tiny"
    if kind == "blank":
        colour = draw.choice(
            [(255, 255, 255), (0, 0, 0), (128, 128, 128), tuple(draw.randrange(256) for _ in range(3))]
        )
        pixels = np.full((height, width, 3), colour, np.float32)
        pixels += np.random.default_rng(number).normal(0, draw.choice([0, 2, 5]), pixels.shape)
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), "blank"
    pixels = np.asarray(picture).copy()
    grey = np.abs(pixels.astype(int) - pixels[0, 0]).max(axis=-1) > 20
    rows = np.flatnonzero(grey.any(axis=1)) if grey.any() else np.arange(height)
    columns = np.flatnonzero(grey.any(axis=0)) if grey.any() else np.arange(width)
    if draw.random() < 0.5:
        pixels[round(height * draw.uniform(0.35, 0.65)) :] = 128
        return Image.fromarray(pixels), "cut grey"
    if draw.random() < 0.5:
        return picture.crop((0, 0, (columns[0] + columns[-1]) // 2, height)), "cut left half"
    return picture.crop((0, 0, width, (rows[0] + rows[-1]) // 2)), "cut upper half"


def plant(catalog: Catalog, split: str, out: Path, faults: int, seed: int) -> dict[str, tuple[str, str]]:
    """Writes a catalogue with faults; returns kind and description of the fault by product."""
    draw = random.Random(seed)
    shutil.rmtree(out, ignore_errors=True)
    (out / "photos").mkdir(parents=True)
    products = {product.id: product for product in catalog.products if not split or product.split == split}
    chosen = draw.sample(sorted(products), faults)
    kinds = [*GROUPS]
    planted: dict[str, tuple[str, str]] = {}
    by_kind = defaultdict(list)
    for number, name in enumerate(chosen):
        by_kind[kinds[number % len(kinds)]].append(name)

    def picture(name: str) -> Image.Image:
        return Image.fromarray(decode(catalog.read(products[name].photos[0].uri)))

    def store(name: str, image: Image.Image) -> tuple[Photo, ...]:
        image.convert("RGB").save(out / "photos" / f"{name}.jpg", quality=draw.randint(80, 95))
        return (Photo(name, f"planted/{name}.jpg"),)

    for name in by_kind["duplicate"]:
        image, described = edited(picture(name), draw)
        copy = f"9{draw.randrange(10**7):07}"
        title = products[name].title
        if draw.random() < 0.5:
            title = f"{title} {draw.choice(['New', 'Model', 'Edition'])} {draw.randrange(100)}"
        products[copy] = replace(products[name], id=copy, title=title, photos=store(copy, image))
        planted[copy] = "duplicate", described
    waiting = by_kind["swapped text"]
    while len(waiting) > 1:
        one = waiting.pop()
        other = next((name for name in waiting if products[name].subcategory != products[one].subcategory), None)
        if other is None:
            break
        waiting.remove(other)
        first, second = products[one], products[other]
        products[one] = replace(first, title=second.title, description=second.description)
        products[other] = replace(second, title=first.title, description=first.description)
        for name, taken in ((one, second), (other, first)):
            planted[name] = "swapped text", f"{products[name].subcategory} <- {taken.subcategory}"
    everywhere = [product for product in catalog.products if not split or product.split == split]
    for name in by_kind["wrong label"]:
        other = draw.choice([one for one in everywhere if one.subcategory != products[name].subcategory])
        planted[name] = "wrong label", f"{products[name].subcategory} -> {other.subcategory}"
        products[name] = replace(products[name], category=other.category, subcategory=other.subcategory)
    for name in by_kind["blurred photo"]:
        image, described = blurred(picture(name), draw)
        products[name] = replace(products[name], photos=store(name, image))
        planted[name] = "blurred photo", described
    for number, name in enumerate(by_kind["bad photo"]):
        image, described = spoiled(picture(name), number, draw)
        products[name] = replace(products[name], photos=store(name, image))
        planted[name] = "bad photo", described
    for number, name in enumerate(by_kind["bad text"]):
        text = EMPTY[number // 2 % len(EMPTY)] if number % 2 else BOILERPLATE[number // 2 % len(BOILERPLATE)]
        planted[name] = "bad text", "empty" if number % 2 else "boilerplate"
        products[name] = replace(products[name], title=text, description="")
    header = json.loads((catalog.directory / "catalog.json").read_text())
    header["sources"]["planted"] = {"kind": "folder", "path": "photos"}
    header |= {"name": "planted", "products": len(products), "photos": len(products), "importer": {}}
    for source in header["sources"].values():
        if source["path"] != "photos":
            source["path"] = str((catalog.directory / source["path"]).resolve())
    (out / "catalog.json").write_text(json.dumps(header))
    lines = [product_json.encode(product) for product in sorted(products.values(), key=lambda product: product.id)]
    (out / "products.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (out / "planted.json").write_text(json.dumps(planted, indent=1))
    return planted


def table(report: Report, planted: dict[str, tuple[str, str]]) -> str:
    """Recall and precision a kind, and recall by what exactly was planted."""
    lines = ["| fault | planted | recall | findings | precision |", "|---|---|---|---|---|"]
    details = []
    for group, kinds in GROUPS.items():
        true = {name for name, (kind, _) in planted.items() if kind == group}
        some = [one for one in report.findings if one.kind in kinds]
        named = [{one.product, one.other} if group == "duplicate" else {one.product} for one in some]
        hit = true & set().union(*named)
        right = sum(bool(names & true) for names in named)
        recall, precision = len(hit) / max(1, len(true)), right / max(1, len(some))
        lines.append(f"| {group} | {len(true)} | {recall:.3f} | {len(some)} | {precision:.3f} |")
        parts = Counter(planted[name][1] for name in true)
        hits = Counter(planted[name][1] for name in hit)
        if len(parts) < 20:
            details += [f"{group}, {part}: {hits[part]} of {count}" for part, count in sorted(parts.items())]
    return "\n".join([*lines, "", *details])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--vectors", help="vectors of the planted catalogue, which is made again the same")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    planted = plant(Catalog.open(options.catalog), options.split, options.out / "catalog", options.faults, options.seed)
    report = doctor(options.out / "catalog", options.model, options.out / "report", vectors=options.vectors)
    result = table(report, planted)
    (options.out / "result.md").write_text(result + "\n")
    print(result)


if __name__ == "__main__":
    main()
