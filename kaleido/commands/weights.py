"""`kaleido weights`: imports and exports the original release's checkpoints."""

from dataclasses import dataclass, field
from pathlib import Path

from kaleido.commands.command import Command
from kaleido.configuration import POSITIONAL


@dataclass(frozen=True)
class ImportOriginal:
    """The checkpoint to import.

    Args:
        checkpoint: The original's checkpoint without .index, for example kaleidobert.ckpt-50683.
        out: Folder of the model, replaced if it is there.
        vocabulary: `vocab.txt`, or a folder with one, to save with the model.
        num_heads: Attention heads; by default as config.json beside the checkpoint says, or hidden size / 64.
    """

    checkpoint: str = field(metadata=POSITIONAL)
    out: str
    vocabulary: str | None = None
    num_heads: int | None = None


@dataclass(frozen=True)
class ExportOriginal:
    """The model to export.

    Args:
        model: Folder of a saved model, the `model` folder of a run.
        out: Name of the checkpoint, for example out/kaleidobert.ckpt-0.
    """

    model: str
    out: str


def import_original(config: ImportOriginal) -> None:
    """Makes a saved model of the original release's checkpoint, with all of its quirks on."""
    from kaleido.original import checkpoint

    vocabulary = Path(config.vocabulary) if config.vocabulary else None
    print(checkpoint.import_original(Path(config.checkpoint), Path(config.out), vocabulary, config.num_heads))


def export_original(config: ExportOriginal) -> None:
    """Writes a saved model as a checkpoint with the original's names and shapes."""
    from kaleido.original import checkpoint

    count = checkpoint.export_original(Path(config.model), Path(config.out))
    print(f"{config.out}: {count} variables under the original's names")


COMMAND = {
    "import-original": Command(import_original, ImportOriginal),
    "export-original": Command(export_original, ExportOriginal),
}
