"""Command lines of the verbs that take no configuration."""

import argparse

from kaleido.errors import UserError


class ArgumentParser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line, like every other error a user can make."""

    def error(self, message: str):
        raise UserError(f"{message}; `{self.prog} --help` tells more")
