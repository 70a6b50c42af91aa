"""`python -m kaleido predict`: what a trained model says of photos and texts, without records."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kaleido.backend import import_backend
from kaleido.commands.arguments import ArgumentParser, column_names
from kaleido.errors import UserError

if TYPE_CHECKING:
    from kaleido.catalog.photo_list import PhotoList, Texts

TABLES = (".csv", ".jsonl")


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    parser = ArgumentParser(
        prog="python -m kaleido predict",
        description="Says of photos and texts what a trained model knows: the class, a caption, or whether they belong "
        "together.",
    )
    parser.add_argument("model", type=Path, help="the `model` folder of a run")
    parser.add_argument(
        "photos",
        metavar="PHOTOS|TABLE",
        type=Path,
        help="a folder with photos, also in sub-folders; or a .csv or .jsonl table with the columns photo, text and, "
        "if you like, id",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for predictions.csv and .jsonl, or captions")
    parser.add_argument(
        "--columns",
        nargs="+",
        default=[],
        metavar="FIELD=COLUMN",
        help="where the table has other columns: id=sku text=name photo=image1,image2, or title=name "
        "description=details as in `catalog import`",
    )
    parser.add_argument("--source", default="", help="folder or zip that the table's photo paths start from (its own)")
    parser.add_argument("--separators", default="|;", help="characters between the photos of a column (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="photos at once (%(default)s)")
    parser.add_argument("--on-error", choices=("stop", "skip"), default="stop", help="at a photo or row of no use")
    args = parser.parse_args(argv)
    if args.batch_size < 1:
        raise UserError(f"--batch-size must be at least 1. Received: {args.batch_size}")
    import_backend()
    from kaleido.app.model_folder import read_model_config

    if read_model_config(args.model)["class"] == "Captioner":
        print(_caption(args))
    else:
        print(_predict(args))
    return 0


def _caption(args: argparse.Namespace) -> str:
    from kaleido.pretrained.photo_captions import write_photo_captions
    from kaleido.pretrained.processor import PhotoReader
    from kaleido.tasks.captioning.photo_captioner import PhotoCaptioner

    photos = _photos(args, "unused")
    captioner = PhotoCaptioner.load(args.model, {}, args.batch_size)
    return write_photo_captions(captioner, PhotoReader(args.model, args.batch_size, args.on_error), photos, args.out)


def _predict(args: argparse.Namespace) -> str:
    from kaleido.pretrained.predictions import write_predictions
    from kaleido.pretrained.predictor import Predictor
    from kaleido.pretrained.processor import PhotoReader
    from kaleido.pretrained.signatures import MATCH

    predictor = Predictor.load(args.model, args.batch_size)
    photos = _photos(args, "required" if predictor.answers == MATCH else "optional")
    if not predictor.reads_text:
        _note("this model recognises from the photo alone; no text is read")
    elif empty := sum(not photo.text for photo in photos.photos):
        _note(f"photos without a text, read with an empty one: {empty:,} of {len(photos.photos):,}")
    reader = PhotoReader(args.model, args.batch_size, args.on_error)
    done = write_predictions(predictor, reader, photos, args.out)
    if predictor.cut:
        _note(f"texts cut to the {predictor.length} positions that the model was trained with: {predictor.cut:,}")
    return done


def _photos(args: argparse.Namespace, texts: "Texts") -> "PhotoList":
    from kaleido.catalog.photo_list import photos_of_folder, photos_of_table
    from kaleido.catalog.rejects import Rejects

    if args.photos.suffix.lower() in TABLES and not args.photos.is_dir():
        columns = column_names(args.columns)
        return photos_of_table(args.photos, Rejects(args.on_error), args.source, columns, args.separators, texts)
    if not args.photos.is_dir():
        raise UserError(f"{args.photos}: give a folder of photos, or a table that ends in {' or '.join(TABLES)}")
    if texts == "required":
        raise UserError(
            f"{args.photos}: this model tells whether a photo and a text belong together; give a table with the "
            "columns photo and text. Received: a folder of photos"
        )
    if args.columns or args.source:
        raise UserError(f"{args.photos}: --columns and --source go with a table. Received: a folder of photos")
    return photos_of_folder(args.photos)


def _note(text: str) -> None:
    print(f"kaleido predict: {text}", file=sys.stderr)
