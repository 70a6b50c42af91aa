"""From which score a finding is reported."""

from dataclasses import dataclass

from kaleido.ranges import check_range


@dataclass(frozen=True)
class Thresholds:
    """Scores, 0..1, from which findings are reported; lower values find more and are wrong more often.

    Attributes:
        duplicate: Photos that are the same.
        mismatch: Photo and text that do not belong together.
        label: Labels that are wrong.
        blank: Blank photos.
        blurred: Blurred photos.
        watermarked: Photos with a watermark.
        cut: Photos that are cut.
        tiny: Smallest side, in pixels, of a square with as many pixels; in any case two fifths of the catalogue's
            median, up to 256.
        boilerplate: Texts that say nothing about the product.
    """

    duplicate: float = 0.8
    mismatch: float = 0.7
    label: float = 0.7
    blank: float = 0.5
    blurred: float = 0.35
    watermarked: float = 0.73
    cut: float = 0.6
    tiny: int = 32
    boilerplate: float = 0.6

    def __post_init__(self):
        scores = ("duplicate", "mismatch", "label", "blank", "blurred", "watermarked", "cut", "boilerplate")
        check_range(self, "[0, 1]", *scores, section="thresholds")
        check_range(self, "[1, inf)", "tiny", section="thresholds")
