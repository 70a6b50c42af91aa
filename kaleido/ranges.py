"""Checks the ranges of configured numbers."""

import math

from kaleido.errors import UserError


def check_range(config: object, interval: str, *names: str, section: str = "") -> None:
    """Checks that numbers of a configuration lie in an interval; None is allowed.

    Args:
        config: Object with the numbers as attributes.
        interval: Interval in mathematical notation, for example `[0, 1)` or `(0, inf)`; NaN lies in none.
        *names: Names of the attributes.
        section: Section of the configuration, for the message.

    Raises:
        UserError: naming the first that lies outside.
    """
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    for name in names:
        value = getattr(config, name)
        if value is None:
            continue
        above = value >= low if interval[0] == "[" else value > low
        below = value <= high if interval[-1] == "]" else value < high
        if not (above and below):
            wanted = (
                f"in {interval}" if math.isfinite(high) else f"{'at least' if interval[0] == '[' else 'above'} {low:g}"
            )
            raise UserError(f"{section and section + '.'}{name} must be {wanted}. Received: {value}")
