"""The exception for mistakes of the user.

Commands print it as one line on stderr and exit with code 2; any other exception is a bug and keeps its traceback.
"""


class UserError(Exception):
    """Raised for an error in the user's input, files or configuration.

    The message is one line: what was wrong, where (file, row, key), what to do, and `Received: ...` if a value helps.
    """

    def __init__(self, message: str):
        # File and column names and the messages of libraries may contain line breaks.
        super().__init__(" ".join(message.splitlines()))
