"""`python -m kaleido catalog`: brings products in, draws them, and shows what a catalogue holds."""

import argparse
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaleido.atomic import write_atomically
from kaleido.catalog.catalog import Catalog, is_finished, write_catalog
from kaleido.catalog.imported import Imported
from kaleido.catalog.product import Product
from kaleido.catalog.rejects import Reject, Rejects
from kaleido.catalog.sample import sample
from kaleido.commands.arguments import ArgumentParser, column_names
from kaleido.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

SHEET_COLUMNS = 8
SHEET_CELL = 192


def main(argv: list[str]) -> int:
    """Runs `import`, `generate` or `show`; returns the exit code."""
    parser = ArgumentParser(prog="python -m kaleido catalog", description=__doc__.partition(": ")[2])
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_import(actions.add_parser("import", help="make a catalogue of products and photos that you have"))
    _add_generate(actions.add_parser("generate", help="draw the wardrobe, a catalogue with its ground truth"))
    _add_show(actions.add_parser("show", help="count what a catalogue holds and write a contact sheet"))
    args = parser.parse_args(argv)
    args.action(args)
    return 0


def _add_import(parser: argparse.ArgumentParser) -> None:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--out", required=True, type=Path, help="folder of the catalogue, for example dataset/NAME")
    common.add_argument("--name", default="", help="what to call it; by default the folder's name")
    common.add_argument("--on-error", choices=("stop", "skip"), default="stop", help="at a row that cannot be used")
    common.add_argument(
        "--sample", type=float, default=1.0, metavar="SHARE", help="keep a share of the products, such as 0.25"
    )
    common.add_argument("--overwrite", action="store_true", help="replace a catalogue that is there")
    kinds = parser.add_subparsers(required=True, metavar="KIND")

    folder = kinds.add_parser("folder", parents=[common], help="a CSV or JSONL table and a folder or zip of photos")
    folder.add_argument("source", metavar="SOURCE", help="folder or zip that the table's photo paths start from")
    folder.add_argument("--table", default="products.csv", help=".csv or .jsonl in SOURCE or elsewhere (%(default)s)")
    folder.add_argument(
        "--columns",
        nargs="+",
        default=[],
        metavar="FIELD=COLUMN",
        help="where the fields id, title, description, category, subcategory, split and photos are, if not in columns "
        "of these names: id=sku title=name photos=image1,image2",
    )
    folder.add_argument("--separators", default="|;", help="characters between the photos of a column (%(default)s)")
    folder.set_defaults(action=_import_folder)

    fashion_gen = kinds.add_parser("fashion-gen", parents=[common], help="the two HDF5 files of Fashion-Gen")
    fashion_gen.add_argument("--train", metavar="H5", help="the train file")
    fashion_gen.add_argument("--test", metavar="H5", help="the validation file, which the paper tests on")
    fashion_gen.set_defaults(action=_import_fashion_gen)

    fashion_small = kinds.add_parser("fashion-small", parents=[common], help="Fashion Product Images (Small)")
    fashion_small.add_argument("source", metavar="SOURCE", nargs="?", help="zip or folder, without prescribed splits")
    for split in ("train", "validation", "test"):
        fashion_small.add_argument(f"--{split}", metavar="SOURCE", help=f"zip or folder of the {split} split")
    fashion_small.set_defaults(action=_import_fashion_small)


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("dataset/wardrobe"), help="folder (%(default)s)")
    parser.add_argument("--products", type=int, default=1500, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of every draw (%(default)s)")
    parser.add_argument("--photo-size", type=int, default=192, help="width and height in pixels (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="draw anew a wardrobe that is there")
    parser.set_defaults(action=_generate)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder of the catalogue")
    parser.add_argument("--products", type=int, default=24, help="how many on the contact sheet (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of their choice (%(default)s)")
    parser.add_argument("--out", type=Path, help="the contact sheet; by default contact_sheet.png in DIR")
    parser.add_argument("--parts", action="store_true", help="draw part boxes and the mask's outline")
    parser.set_defaults(action=_show)


def _import_folder(args: argparse.Namespace) -> None:
    from kaleido.catalog.folder import import_folder

    columns = column_names(args.columns)
    inputs = {
        "source": os.path.abspath(args.source),
        "table": args.table,
        "columns": columns,
        "separators": args.separators,
    }
    _import(
        args,
        "folder",
        inputs,
        lambda rejects: import_folder(args.source, args.table, rejects, columns, args.separators),
    )


def _import_fashion_gen(args: argparse.Namespace) -> None:
    from kaleido.catalog.fashion_gen import import_fashion_gen

    paths = {split: path for split, path in (("train", args.train), ("test", args.test)) if path}
    if not paths:
        raise UserError("Give the files of Fashion-Gen by --train, --test or both.")
    _import(args, "fashion-gen", _absolute(paths), lambda rejects: import_fashion_gen(paths, rejects))


def _import_fashion_small(args: argparse.Namespace) -> None:
    from kaleido.catalog.fashion_small import import_fashion_small

    paths = {split: getattr(args, split) for split in ("train", "validation", "test") if getattr(args, split)}
    if bool(paths) == bool(args.source):
        raise UserError("Give either one SOURCE, or zips or folders by --train, --validation and --test.")
    paths = paths or {"": args.source}
    _import(args, "fashion-small", _absolute(paths), lambda rejects: import_fashion_small(paths, rejects))


def _import(
    args: argparse.Namespace, kind: str, inputs: Mapping[str, Any], read: Callable[[Rejects], Imported]
) -> None:
    importer = {**inputs, "name": args.name, "on_error": args.on_error}
    if args.sample != 1:
        importer["sample"] = args.sample
    if is_finished(args.out, importer, args.overwrite):
        print(f"{args.out}: there already, from the same arguments; --overwrite imports again.")
        return
    rejects = Rejects(args.on_error)
    imported = read(rejects)
    products = sample(imported.products, args.sample)
    _write_rejects(args.out / "rejects.jsonl", rejects.rows)
    name = args.name or args.out.resolve().name
    write_catalog(args.out, name, kind, imported.sources, products, importer)
    photos = sum(len(product.photos) for product in products)
    print(f"{args.out}: {len(products):,} products, {photos:,} photos.")
    if rejects.rows:
        print(f"left out: {len(rejects.rows):,}; which and why: {args.out / 'rejects.jsonl'}")


def _write_rejects(path: Path, rows: Sequence[Reject]) -> None:
    if rows:
        lines = "".join(f"{json.dumps(asdict(reject), ensure_ascii=False)}\n" for reject in rows)
        write_atomically(path, lines.encode())
    else:
        path.unlink(missing_ok=True)


def _absolute(paths: Mapping[str, str]) -> dict[str, str]:
    return {split or "source": os.path.abspath(path) for split, path in paths.items()}


def _generate(args: argparse.Namespace) -> None:
    from kaleido.wardrobe.catalog import generate_wardrobe

    if generate_wardrobe(args.out, args.products, args.seed, args.photo_size, args.workers, args.overwrite):
        print(f"{args.out}: {args.products:,} products.")
    else:
        print(f"{args.out}: there already, from the same arguments; --overwrite draws it anew.")


def _show(args: argparse.Namespace) -> None:
    if args.products < 1:
        raise UserError(f"--products must be at least 1. Received: {args.products}.")
    catalog = Catalog.open(args.directory)
    print(_counts(catalog))
    products = random.Random(args.seed).sample(catalog.products, min(args.products, len(catalog.products)))
    out = args.out or args.directory / "contact_sheet.png"
    write_atomically(out, _sheet(catalog, products, args.parts))
    print(f"contact sheet   {out}")


def _counts(catalog: Catalog) -> str:
    products = catalog.products
    lines = {
        "catalogue": f"{catalog.name}, {catalog.kind}",
        "products": f"{len(products):,}",
        "photos": f"{catalog.photo_count:,}, {_spread([len(product.photos) for product in products])} a product",
        "words": f"{_spread([len(product.text.split()) for product in products])} a product",
        "splits": _tally(product.split or "(none)" for product in products),
        "categories": _tally(product.category or "(none)" for product in products),
        "sub-categories": _tally(product.subcategory or "(none)" for product in products),
    }
    return "\n".join(f"{name:<15} {value}" for name, value in lines.items())


def _spread(counts: Sequence[int]) -> str:
    return f"{min(counts)} to {max(counts)} and {sum(counts) / len(counts):.1f} on average"


def _tally(names: Any) -> str:
    counts = Counter(names).most_common()
    return f"{len(counts)}: " + ", ".join(f"{name} {count:,}" for name, count in counts)


def _sheet(catalog: Catalog, products: Sequence[Product], with_parts: bool) -> bytes:
    from kaleido.catalog.contact_sheet import contact_sheet, with_truth

    pictures, captions = [], []
    for product in products:
        for photo in product.photos:
            picture = _picture(catalog, photo.uri)
            if with_parts:
                mask = _picture(catalog, photo.mask_uri) if photo.mask_uri else None
                picture = with_truth(picture, photo, mask, SHEET_CELL)
            pictures.append(picture)
            captions.append(f"{photo.id} {photo.view}\n{product.text}\n{product.category} / {product.subcategory}")
    png = BytesIO()
    contact_sheet(pictures, captions, SHEET_COLUMNS, SHEET_CELL).save(png, format="PNG")
    return png.getvalue()


def _picture(catalog: Catalog, uri: str) -> "Image.Image":
    from PIL import Image

    from kaleido.vision.photo import decode

    try:
        return Image.fromarray(decode(catalog.read(uri)))
    except UserError as error:
        raise UserError(f"{catalog.directory}, photo {uri!r}: {error}") from error
