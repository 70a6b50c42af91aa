"""`python -m kaleido catalog`: brings products in, draws them, and shows what a catalogue holds."""

import argparse
import os
from io import BytesIO
from pathlib import Path

from kaleido.atomic import write_atomically
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.importing import ImportOptions, import_splits, import_table
from kaleido.commands.arguments import ArgumentParser, column_names
from kaleido.errors import UserError


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
    common.add_argument("--name", help="what to call it; by default the folder's name")
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
    columns = column_names(args.columns)
    print(import_table(args.source, args.table, args.out, columns, args.separators, _options(args)))


def _import_fashion_gen(args: argparse.Namespace) -> None:
    paths = {split: path for split, path in (("train", args.train), ("test", args.test)) if path}
    if not paths:
        raise UserError("Give the files of Fashion-Gen by --train, --test or both.")
    print(import_splits("fashion-gen", paths, args.out, _options(args)))


def _import_fashion_small(args: argparse.Namespace) -> None:
    paths = {split: getattr(args, split) for split in ("train", "validation", "test") if getattr(args, split)}
    if bool(paths) == bool(args.source):
        raise UserError("Give either one SOURCE, or zips or folders by --train, --validation and --test.")
    print(import_splits("fashion-small", paths or {"": args.source}, args.out, _options(args)))


def _options(args: argparse.Namespace) -> ImportOptions:
    return ImportOptions(args.name, args.on_error, args.sample, args.overwrite)


def _generate(args: argparse.Namespace) -> None:
    from kaleido.wardrobe.catalog import generate_wardrobe

    if generate_wardrobe(args.out, args.products, args.seed, args.photo_size, args.workers, args.overwrite):
        print(f"{args.out}: {args.products:,} products.")
    else:
        print(f"{args.out}: there already, from the same arguments; --overwrite draws it anew.")


def _show(args: argparse.Namespace) -> None:
    from kaleido.catalog.overview import contact_sheet_of, describe
    from kaleido.vision.photo import decode

    catalog = Catalog.open(args.directory)
    print(describe(catalog))
    png = BytesIO()
    contact_sheet_of(catalog, decode, args.products, args.seed, args.parts).save(png, format="PNG")
    out = args.out or args.directory / "contact_sheet.png"
    write_atomically(out, png.getvalue())
    print(f"contact sheet   {out}")
