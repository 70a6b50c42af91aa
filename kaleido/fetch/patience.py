"""Trying again: how often, and after what time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from kaleido.errors import UserError
from kaleido.fetch.source import HOW_TO_NAME_A_MIRROR, Interrupted

Result = TypeVar("Result")

LONGEST_WAIT, LONGEST_ASKED_WAIT = 30.0, 120.0
"""Seconds between two tries: of our own accord, and where the source asks for it."""


@dataclass(frozen=True)
class Patience:
    """How often to try, and how long to wait in between.

    Attributes:
        tries: In a row without getting any further, at least 1.
        backoff: Seconds before the second try; they double from try to try, and a seeded part of up to a half is taken
            off, so that those who failed together do not come back together.
        seed: Seed of these parts.
        advice: What to do where all tries fail, for the message.
    """

    tries: int = 10
    backoff: float = 1.0
    seed: int = 0
    advice: str = HOW_TO_NAME_A_MIRROR

    def insist(
        self,
        name: str,
        attempt: Callable[[], Result],
        reached: Callable[[], int] = lambda: 0,
        note: Callable[[str], None] = lambda text: None,
    ) -> Result:
        """Calls `attempt` until it ends.

        Args:
            name: Of what is tried; draws the waiting times along with the seed.
            attempt: What to do.
            reached: How far the attempts so far have come. Tries are counted anew whenever this grows.
            note: Hears of each failure.

        Raises:
            UserError: After the last try. What `attempt` raises besides Interrupted comes through at once.
        """
        random = Random(f"{self.seed}/{name}")
        failures, furthest = 0, reached()
        while True:
            try:
                return attempt()
            except Interrupted as error:
                interruption = error
            if reached() > furthest:
                failures, furthest = 0, reached()
            failures += 1
            if failures >= self.tries:
                raise UserError(f"{interruption}, tried {failures} times; {self.advice}") from interruption
            wait = min(self.backoff * 2 ** (failures - 1), LONGEST_WAIT) * random.uniform(0.5, 1.0)
            wait = max(wait, min(interruption.wait, LONGEST_ASKED_WAIT))
            note(f"{interruption}, again in {wait:.0f} s")
            time.sleep(wait)
