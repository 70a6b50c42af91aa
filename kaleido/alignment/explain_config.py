"""The configuration of `explain`."""

from dataclasses import dataclass, field

from kaleido.ranges import check_range
from kaleido.records.config import PipelineConfig


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """Which product to explain.

    Args:
        records: Folder that `prepare` wrote, and `align` after it.
        product: Id of a product, or of one of its photos.
        output: Folder for the picture and the page.
        catalog: That the records were made of, where it is not beside them.
        seed: Of the draw of masks and corruptions.
        epoch: Of the draw.
        preprocess_config: From records to batches.
    """

    records: str
    product: str
    output: str = "explained"
    catalog: str = ""
    seed: int = 0
    epoch: int = 0
    preprocess_config: PipelineConfig = field(default_factory=PipelineConfig)

    def __post_init__(self):
        check_range(self, "[0, inf)", "seed", "epoch")
