"""`kaleido predict`: predictions of a saved model for photos and texts, without records."""

import sys
from dataclasses import dataclass, field
from typing import Literal

from kaleido.catalog.photo_cells import SEPARATORS
from kaleido.commands.command import Command
from kaleido.configuration import POSITIONAL
from kaleido.ranges import check_range

_OPTIONS = ("beams", "length_penalty", "no_repeat_ngram", "rounds")


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Photos to predict, and the model.

    Args:
        photos: A photo; a folder with photos, also in sub-folders; or a table (.csv, .xlsx, .json and others, as
            `catalog import folder` takes) with the columns photo, text and, if there is one, id.
        model: Folder of a saved model, the `model` folder of a run; or its address or name.
        out: Folder for predictions.csv and predictions.jsonl and, of a captioner, captions.jsonl and captions.html.
        columns: Columns of the table, where they have other names: id=sku text=name photo=image1,image2; or title=name
            description=details as in `catalog import`.
        source: Folder or zip that the table's photo paths start from; the table's own folder if null.
        separators: Characters between the photos of a column, where the whole cell is no file.
        photo: Path of a photo built from columns of the table, instead of a column: 'images/{id:.3}/{id}.jpg'.
        photo_root: Folder or zip with the photos, in which they are found by their file names.
        fetch_photos: Download addresses that no file answers to, to the folder photos of OUT.
        encoding: Encoding of a text table, such as cp1252; by default it is found.
        delimiter: Character between the cells of a text table, or tab; by default it is found.
        sheet: Sheet of a spreadsheet; by default the first with rows.
        empty: Words that mean an empty cell, instead of NaN, NULL, None, N/A, - and their like.
        batch_size: Photos at once.
        on_error: Whether to stop at a photo or row that cannot be used, or to skip and report it.
        beams: Captions that a causal decoder keeps at a time; null as it was trained.
        length_penalty: How a causal decoder ranks captions of different lengths; null as it was trained.
        no_repeat_ngram: Length of the token sequences that a causal decoder never repeats; null as it was trained.
        rounds: Rounds of a mask_predict decoder; null as it was trained.
        escape_formulas: Put an apostrophe before texts in CSV files that a spreadsheet could run as formulas.
    """

    photos: str = field(metadata=POSITIONAL)
    model: str
    out: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    source: str | None = None
    separators: str = SEPARATORS
    photo: str | None = None
    photo_root: str | None = None
    fetch_photos: bool = False
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    empty: tuple[str, ...] | None = None
    batch_size: int = 16
    on_error: Literal["stop", "skip"] = "stop"
    beams: int | None = None
    length_penalty: float | None = None
    no_repeat_ngram: int | None = None
    rounds: int | None = None
    escape_formulas: bool = True

    def __post_init__(self):
        check_range(self, "[1, 1_000_000]", "batch_size")


def predict(config: Predict) -> None:
    """Predicts photos and texts with a saved model: the class, a caption, or whether they belong together."""
    from kaleido.catalog.photos import PhotoOptions
    from kaleido.catalog.table import TableOptions
    from kaleido.pretrained.hub import load
    from kaleido.pretrained.predictions import predict_photos

    found = predict_photos(
        load(config.model),
        config.photos,
        config.out,
        columns=config.columns,
        source=config.source,
        photo_options=PhotoOptions(
            config.photo, config.photo_root, config.separators, config.fetch_photos, check_photos=False
        ),
        reading=TableOptions(config.encoding, config.delimiter, config.sheet, config.empty),
        batch_size=config.batch_size,
        on_error=config.on_error,
        **{name: getattr(config, name) for name in _OPTIONS},
    )
    for note in found.notes:
        print(f"kaleido predict: {note}", file=sys.stderr)
    print(found)


COMMAND = Command(predict, Predict)
