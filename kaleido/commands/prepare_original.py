"""`kaleido prepare-original`: from the original release's text files to records."""

from kaleido.commands.command import Command
from kaleido.original.config import PrepareOriginal


def prepare(config: PrepareOriginal) -> None:
    """Turns the original release's tab-separated files into records, with their one draw of masking and corruption."""
    from kaleido.original.convert import prepare_original

    print(prepare_original(config))


COMMAND = Command(prepare, PrepareOriginal, backend=False)
