"""`python -m kaleido caption`: captions of the photos of a folder."""

from pathlib import Path

from kaleido.backend import import_backend
from kaleido.commands.arguments import ArgumentParser
from kaleido.errors import UserError


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    parser = ArgumentParser(prog="python -m kaleido caption", description="Captions the photos of a folder.")
    parser.add_argument("model", type=Path, help="the `model` folder of `finetune --task caption`")
    parser.add_argument("folder", type=Path, help="with photos, also in sub-folders")
    parser.add_argument("--out", type=Path, required=True, help="folder for captions.jsonl and captions.html")
    parser.add_argument("--batch-size", type=int, default=16, help="photos at once (%(default)s)")
    parser.add_argument("--on-error", choices=("stop", "skip"), default="stop", help="at an unreadable photo")
    for name, of in {"beams": "causal", "no-repeat-ngram": "causal", "rounds": "mask_predict"}.items():
        parser.add_argument(f"--{name}", type=int, help=f"of a {of} decoder; what it was trained with if left out")
    parser.add_argument("--length-penalty", type=float, help="of a causal decoder; the same")
    args = parser.parse_args(argv)
    if args.batch_size < 1:
        raise UserError(f"--batch-size must be at least 1. Received: {args.batch_size}")
    import_backend()
    from kaleido.catalog.photo_list import photos_of_folder
    from kaleido.pretrained.photo_captions import write_photo_captions
    from kaleido.pretrained.processor import PhotoReader
    from kaleido.tasks.captioning.photo_captioner import PhotoCaptioner

    names = ("beams", "no_repeat_ngram", "rounds", "length_penalty")
    chosen = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    captioner = PhotoCaptioner.load(args.model, chosen, args.batch_size)
    photos = photos_of_folder(args.folder)
    reader = PhotoReader(args.model, args.batch_size, args.on_error)
    print(write_photo_captions(captioner, reader, photos, args.out))
    return 0
