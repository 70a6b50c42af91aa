"""The configuration of `explain`."""

from dataclasses import dataclass, field

from kaleido.configuration import POSITIONAL
from kaleido.ranges import check_range
from kaleido.records.config import PipelineConfig


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """The product to explain.

    Args:
        product: Id of a product, or of one of its photos.
        records: Folder that `prepare` wrote, and `align` after it.
        out: Folder for the picture and the page.
        catalog: Folder of the catalogue that the records were made of, where it is not beside them.
        seed: Seed of the draw of masks and corruptions.
        epoch: Epoch of the draw.
        preprocess_config: From records to batches.
    """

    product: str = field(metadata=POSITIONAL)
    records: str
    out: str = "explained"
    catalog: str | None = None
    seed: int = 0
    epoch: int = 0
    preprocess_config: PipelineConfig = field(default_factory=PipelineConfig)

    def __post_init__(self):
        check_range(self, "[0, inf)", "seed", "epoch")
