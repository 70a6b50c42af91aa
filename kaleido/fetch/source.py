"""A place that files are fetched from, whatever the protocol."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from kaleido.errors import UserError

HOW_TO_NAME_A_MIRROR = "name a mirror by KALEIDO_DATA_URL or --base: http(s)://..., s3://bucket/prefix or a folder"


class NotServed(UserError):
    """The source answers and does not give this file; asking again would change nothing."""


class Interrupted(Exception):
    """The source failed in a way that another try may mend.

    Attributes:
        wait: Seconds that the source asks to be left alone.
    """

    def __init__(self, message: str, wait: float = 0.0):
        super().__init__(message)
        self.wait = wait


class Unreachable(Interrupted):
    """Not even a connection could be made."""


class Changed(Interrupted):
    """The version that was begun is not to be had; the file has to start anew."""


@dataclass(frozen=True)
class Version:
    """What tells a file from the one that it may be replaced by.

    Attributes:
        size: Bytes of the whole file; None where the source does not tell.
        tag: An ETag or a time of change; empty where the source tells neither.
    """

    size: int | None = None
    tag: str = ""


UNKNOWN = Version()


@dataclass(frozen=True)
class Opened:
    """A file that is being read.

    Attributes:
        start: Its byte that `read` begins with.
        version: What is read.
        read: Gives at most so many further bytes, none at the end.
    """

    start: int
    version: Version
    read: Callable[[int], bytes]


class Source(ABC):
    """A place that files are fetched from; may be used by several threads.

    Attributes:
        address: What to call it in messages: without user, password and query.
    """

    address: str

    @abstractmethod
    def open(self, name: str, start: int = 0, version: Version = UNKNOWN) -> AbstractContextManager[Opened]:
        """Opens a file, from `start` on if it is still of this version and from its beginning otherwise.

        Args:
            name: Relative, with slashes.
            start: Byte to begin with, within the file.
            version: What the bytes before `start` are of; known if `start` is above 0.

        Raises:
            NotServed: On opening or reading, as with those below.
            Changed: Where the version is not there any more, and the source gave nothing else instead.
            Interrupted: Where another try may help.
        """


def may_pass(status: int) -> bool:
    """Whether an HTTP status of failure speaks of the moment rather than of the file."""
    return status in (408, 425, 429) or status >= 500


def reason(error: BaseException) -> str:
    """What the system said, in an error's innermost cause; libraries' own words hold addresses with their secrets."""
    said = [cause.strerror for cause in causes(error) if isinstance(cause, OSError) and cause.strerror]
    return said[-1] if said else type(causes(error)[-1]).__name__


def causes(error: BaseException) -> list[BaseException]:
    """An error and what it came from, the innermost last."""
    chain = [error]
    while inner := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(inner)
    return chain
