"""The one exception that a user can cause.

Commands turn it into a single line on stderr and exit code 2; everything else is a bug and keeps its traceback.
"""


class UserError(Exception):
    """Something in the user's input, files or configuration is wrong.

    Its message is one line: what was wrong, where (file, row, key), what to do, and `Received: ...` if a value helps.
    """

    def __init__(self, message: str):
        # Names of files and columns, and the words of libraries, may hold line breaks.
        super().__init__(" ".join(message.splitlines()))
