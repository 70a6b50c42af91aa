"""Captions of photos that nobody has described."""

from functools import partial
from pathlib import Path

from kaleido.atomic import write_atomically
from kaleido.catalog.photo_list import PhotoList
from kaleido.pretrained.processor import PhotoReader
from kaleido.rows import write_jsonl
from kaleido.tasks.captioning.photo_captioner import PhotoCaptioner
from kaleido.tasks.captioning.sheet import SheetItem, caption_sheet


def write_photo_captions(captioner: PhotoCaptioner, reader: PhotoReader, photos: PhotoList, directory: Path) -> str:
    """Writes `captions.jsonl` and, with the photos, `captions.html`.

    Args:
        captioner: Says something of each photo.
        reader: Of the same model.
        photos: To caption.
        directory: Where to write.

    Returns:
        What was skipped and what was written, for people.

    Raises:
        UserError: if a photo cannot be read and the reader stops, or none can.
    """
    rows, items = [], []
    for listed, batch in reader.batches(photos):
        for photo, caption in zip(listed, captioner(batch), strict=True):
            found = {"caption": caption.text, "log_probability": caption.log_probability, "complete": caption.complete}
            rows.append({**photo.key, **found})
            items.append(SheetItem(photo.path, partial(photos.source.read, photo.path), caption.text))
    write_jsonl(directory / "captions.jsonl", rows)
    write_atomically(directory / "captions.html", caption_sheet(f"Captions of {photos.name}", items).encode())
    done = f"{len(rows):,} captions are in {directory / 'captions.jsonl'} and, with the photos, in captions.html"
    return "\n".join([*reader.skipped(photos), done])
