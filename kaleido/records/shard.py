"""The share of a preparation that one of several hosts makes."""

import re
from dataclasses import dataclass

from kaleido.errors import UserError


@dataclass(frozen=True, slots=True)
class Shard:
    """Every `count`-th file of a preparation.

    Attributes:
        number: Number of this shard, 1..count.
        count: Number of shards.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Reads `2/4` as the second of four.

        Raises:
            UserError: if it is not of the form i/n with 1 <= i <= n.
        """
        numbers = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        shard = cls(*map(int, numbers.groups())) if numbers else None
        if shard is None or not 1 <= shard.number <= shard.count:
            raise UserError(f"shard must be i/n with 1 <= i <= n, such as 2/4 for the second of four. Received: {text}")
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, file: int) -> bool:
        """Tells whether the file of this number, counted from 0 over all splits, belongs to this shard."""
        return file % self.count == self.number - 1
