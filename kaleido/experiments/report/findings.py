"""Tests the paper's orderings: differences between our models that were trained from the same seeds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kaleido.experiments.report.cells import Filled, interval_of, paired_differences
from kaleido.experiments.report.paper import SUMS, paper

HOLDS, DOES_NOT, UNKNOWN = "holds", "does not hold", "cannot be told"
TABLE = "table4"


@dataclass(frozen=True, slots=True)
class Claim:
    """An ordering that the paper reports.

    Attributes:
        text: The claim in words.
        better: Column of table 4.
        worse: Column that it is compared with.
        above: Whether the claim is that the first is above the second, or that it is no better.
    """

    text: str
    better: str
    worse: str
    above: bool = True


CLAIMS = (
    Claim("kaleido patches above one fixed scale", "Kaleido", "Fixed"),
    Claim("saliency above none", "Kal.+SOD", "Kaleido"),
    Claim("guided above random masking", "AGM", "Random"),
    Claim("all five tasks above the baseline", "B+I-V", "B"),
    Claim("blank-to-colour alone no better than the baseline", "B+V", "B", above=False),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim, measured by one sum.

    Attributes:
        claim: The claim.
        measure: `SumR`, `SumCLS` or `SumCAP`.
        paper: Difference of the paper's values, in percent points.
        differences: Our differences by seed; only seeds that both models have.
        verdict: `HOLDS`, `DOES_NOT` or `UNKNOWN`.
        reason: Reason of an unknown verdict; empty otherwise.
    """

    claim: Claim
    measure: str
    paper: float
    differences: Mapping[int, float]
    verdict: str
    reason: str

    @property
    def mean(self) -> float | None:
        """Mean of the differences."""
        return float(np.mean(list(self.differences.values()))) if self.differences else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean difference, by Student's t over seeds; None of fewer than two."""
        return interval_of(list(self.differences.values()))


def findings(filled: Filled) -> list[Finding]:
    """Tests all claims by all sums."""
    table, found = paper().tables[TABLE], []
    for claim in CLAIMS:
        for measure in SUMS:
            cells = filled.cells[TABLE][measure]
            differences = paired_differences(cells[claim.better], cells[claim.worse])
            verdict, reason = _judged(claim, differences)
            printed = table.value(measure, claim.better) - table.value(measure, claim.worse)
            found.append(Finding(claim, measure, printed, differences, verdict, reason))
    return found


def _judged(claim: Claim, differences: Mapping[int, float]) -> tuple[str, str]:
    if not differences:
        return UNKNOWN, "no run"
    interval = interval_of(list(differences.values()))
    if interval is None:
        return UNKNOWN, "one seed: no interval"
    low, high = interval
    if claim.above:
        if low > 0:
            return HOLDS, ""
        if high < 0:
            return DOES_NOT, ""
    else:
        if high <= 0:
            return HOLDS, ""
        if low > 0:
            return DOES_NOT, ""
    return UNKNOWN, "the interval contains 0"
