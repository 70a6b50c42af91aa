"""The configuration of `align`."""

from dataclasses import dataclass, field

from kaleido.alignment.config import AlignConfig
from kaleido.ranges import check_range


@dataclass(frozen=True, kw_only=True)
class AlignRun:
    """Alignment of the words and patches of prepared records (AAG, paper section 3.2).

    Args:
        records: Folder that `prepare` wrote; the pairs go into it.
        catalog: That the records were made of, where it is not beside them.
        seed: Of the captioner's weights and batches.
        overwrite: Replace pairs that were made otherwise.
        align_config: The captioner and the rule.
    """

    records: str
    catalog: str = ""
    seed: int = 0
    overwrite: bool = False
    align_config: AlignConfig = field(default_factory=AlignConfig)

    def __post_init__(self):
        check_range(self, "[0, inf)", "seed")
