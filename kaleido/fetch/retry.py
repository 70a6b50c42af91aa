"""Retries after transient errors: how often, and after what time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from kaleido.errors import UserError
from kaleido.fetch.mirror import HOW_TO_NAME_A_MIRROR, TransientError

Result = TypeVar("Result")

LONGEST_WAIT, LONGEST_ASKED_WAIT = 30.0, 120.0
"""Longest wait between two tries in seconds: of the back-off, and if the mirror asks for it."""


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with jitter.

    Attributes:
        tries: Tries in a row without progress before giving up, at least 1.
        backoff: Seconds before the second try. They double from try to try; a random part of up to a half is taken
            off, so that clients that failed together do not come back together.
        seed: Seed of the random part.
        advice: Advice in the message if all tries fail.
    """

    tries: int = 10
    backoff: float = 1.0
    seed: int = 0
    advice: str = HOW_TO_NAME_A_MIRROR

    def call(
        self,
        name: str,
        attempt: Callable[[], Result],
        reached: Callable[[], int] = lambda: 0,
        note: Callable[[str], None] = lambda text: None,
    ) -> Result:
        """Calls `attempt` until it raises no `TransientError`, and returns its result.

        Args:
            name: Name of what is tried; part of the seed of the waiting times.
            attempt: Function to call.
            reached: Returns the progress of all attempts; tries are counted anew whenever it grows.
            note: Called with a description of each failure.

        Raises:
            UserError: after the last try. Other exceptions of `attempt` are not caught.
        """
        random = Random(f"{self.seed}/{name}")
        failures, furthest = 0, reached()
        while True:
            try:
                return attempt()
            except TransientError as error:
                failure = error
            if reached() > furthest:
                failures, furthest = 0, reached()
            failures += 1
            if failures >= self.tries:
                raise UserError(f"{failure}, tried {failures} times; {self.advice}") from failure
            wait = min(self.backoff * 2 ** (failures - 1), LONGEST_WAIT) * random.uniform(0.5, 1.0)
            wait = max(wait, min(failure.wait, LONGEST_ASKED_WAIT))
            note(f"{failure}, again in {wait:.0f} s")
            time.sleep(wait)
