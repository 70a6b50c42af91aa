"""The configuration of `predict`."""

from dataclasses import dataclass, field
from typing import Literal

from kaleido.configuration import POSITIONAL
from kaleido.ranges import check_range


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Photos to predict, and the model.

    Args:
        photos: Folder with photos, also in sub-folders; or a .csv or .jsonl table with the columns photo, text and, if
            there is one, id.
        model: Folder of a saved model, the `model` folder of a run.
        out: Folder for predictions.csv and predictions.jsonl, or captions.jsonl and captions.html.
        columns: Columns of the table, where they have other names: id=sku text=name photo=image1,image2; or title=name
            description=details as in `catalog import`.
        source: Folder or zip that the table's photo paths start from; the table's own folder if null.
        separators: Characters between the photos of a column.
        batch_size: Photos at once.
        on_error: Whether to stop at a photo or row that cannot be used, or to skip and report it.
        beams: Captions that a causal decoder keeps at a time; null as it was trained.
        length_penalty: How a causal decoder ranks captions of different lengths; null as it was trained.
        no_repeat_ngram: Length of the token sequences that a causal decoder never repeats; null as it was trained.
        rounds: Rounds of a mask_predict decoder; null as it was trained.
    """

    photos: str = field(metadata=POSITIONAL)
    model: str
    out: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    source: str | None = None
    separators: str = "|;"
    batch_size: int = 16
    on_error: Literal["stop", "skip"] = "stop"
    beams: int | None = None
    length_penalty: float | None = None
    no_repeat_ngram: int | None = None
    rounds: int | None = None

    def __post_init__(self):
        check_range(self, "[1, 1_000_000]", "batch_size")

    @property
    def options(self) -> dict[str, float]:
        """Options of decoders that are given."""
        names = ("beams", "length_penalty", "no_repeat_ngram", "rounds")
        return {name: value for name in names if (value := getattr(self, name)) is not None}
