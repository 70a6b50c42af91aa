"""Interface of mirrors: places that files are fetched from, whatever the protocol."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from kaleido.errors import UserError

HOW_TO_NAME_A_MIRROR = "name a mirror by KALEIDO_DATA_URL or --base: http(s)://..., s3://bucket/prefix or a folder"


class NotServed(UserError):
    """Raised if the mirror answers and does not serve this file, so that a retry would change nothing."""


class TransientError(Exception):
    """Raised if a retry may succeed.

    Attributes:
        wait: Seconds that the mirror asks to wait.
    """

    def __init__(self, message: str, wait: float = 0.0):
        super().__init__(message)
        self.wait = wait


class MirrorUnreachable(TransientError):
    """Raised if no connection could be made."""


class FileChanged(TransientError):
    """Raised if the version that was begun is no longer served; the file has to be fetched from its start."""


@dataclass(frozen=True)
class Version:
    """Version of a file on a mirror, by which a change is noticed.

    Attributes:
        size: Bytes of the whole file; None if unknown.
        tag: ETag or time of the last change; empty if unknown.
    """

    size: int | None = None
    tag: str = ""


UNKNOWN = Version()


@dataclass(frozen=True)
class Opened:
    """Open file on a mirror.

    Attributes:
        start: Offset of the first byte that `read` returns.
        version: Version of the file.
        read: Returns at most the given number of further bytes; none at the end.
    """

    start: int
    version: Version
    read: Callable[[int], bytes]


class Mirror(ABC):
    """Place that files are fetched from; thread-safe.

    Attributes:
        address: Address for messages, without user, password and query.
    """

    address: str

    @abstractmethod
    def open(self, name: str, start: int = 0, version: Version = UNKNOWN) -> AbstractContextManager[Opened]:
        """Opens a file at offset `start` if it still has this version, and at its beginning otherwise.

        The errors below are raised on opening or reading.

        Args:
            name: Relative path with slashes.
            start: Offset to begin with, within the file.
            version: Version that the bytes before `start` belong to; known if `start` is above 0.

        Raises:
            NotServed: if the mirror does not serve the file.
            FileChanged: if the version is no longer served and the mirror sent nothing else instead.
            TransientError: if a retry may succeed.
        """


def may_pass(status: int) -> bool:
    """Tells whether an HTTP error status is transient."""
    return status in (408, 425, 429) or status >= 500


def reason(error: BaseException) -> str:
    """Returns the system's message of an error's innermost cause; libraries' messages may contain passwords in URLs."""
    said = [cause.strerror for cause in causes(error) if isinstance(cause, OSError) and cause.strerror]
    return said[-1] if said else type(causes(error)[-1]).__name__


def causes(error: BaseException) -> list[BaseException]:
    """Returns an error and its causes, the innermost last."""
    chain = [error]
    while inner := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(inner)
    return chain
