"""The exception for mistakes of the user.

Commands print it as one line on stderr and exit with code 2; any other exception is a bug and keeps its traceback.
"""

import errno

_END = 1000
"""Characters that are kept of the beginning and of the end of a longer message."""


class UserError(Exception):
    """Raised for an error in the user's input, files or configuration.

    The message is one line: what was wrong, where (file, row, key), what to do, and `Received: ...` if a value helps.
    """

    def __init__(self, message: str):
        # File and column names and the messages of libraries may contain line breaks, and have any length.
        line = " ".join(message.splitlines())
        super().__init__(line if len(line) <= 2 * _END else f"{line[:_END]} ... {line[-_END:]}")


class TooManyFiles(UserError):
    """Raised where a sound file cannot be opened because the process has as many open as it may."""

    def __init__(self, path: object):
        super().__init__(
            f"{path}: cannot be opened, as this process has as many files open as it may; it is not damaged. Raise the "
            "limit by `ulimit -n 8192` and run the same command again"
        )

    @staticmethod
    def means(error: OSError) -> bool:
        """Tells whether an error of the system means this."""
        return error.errno in (errno.EMFILE, errno.ENFILE)
