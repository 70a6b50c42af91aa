"""`kaleido parity`: compares our model with values that the original release computed."""

from dataclasses import dataclass, field
from pathlib import Path

from kaleido.commands.command import Command
from kaleido.configuration import POSITIONAL


@dataclass(frozen=True)
class Parity:
    """The reference set to compare with.

    Args:
        directory: Folder with the original's checkpoint, a batch and the values that it computed.
        dump: .npz file to write everything to that our model computes of batch.tsv.
        without: Name of one quirk to leave out, to see its effect.
    """

    directory: str = field(metadata=POSITIONAL)
    dump: str | None = None
    without: str | None = None


def parity(config: Parity) -> int:
    """Compares our model with values that the original release computed; exits with 1 where they differ."""
    from kaleido.original.parity import run_parity

    result = run_parity(Path(config.directory), config.without)
    if config.dump:
        result.save_results(Path(config.dump))
    print(result.table)
    return 0 if result.agrees else 1


COMMAND = Command(parity, Parity)
