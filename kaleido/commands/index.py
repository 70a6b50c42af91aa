"""`kaleido index`: a catalogue to search in."""

import sys
from dataclasses import dataclass, field
from typing import Any

from kaleido.commands.command import Command
from kaleido.commands.sources import SourceOptions
from kaleido.configuration import POSITIONAL
from kaleido.errors import UserError


@dataclass(frozen=True, kw_only=True)
class IndexOptions(SourceOptions):
    """Catalogue to index, the model and the index.

    Args:
        source: A catalogue; a folder with photos; or a table as `catalog import folder` reads it. Not with --remove.
        out: Folder of the index, or s3://BUCKET/PATH. One that is there becomes equal to SOURCE: new and changed
            products are written, and those that SOURCE lacks are removed.
        model: Folder of the model that makes the vectors, or its address or name; that of the index if it is there.
        vectors: Vectors of SOURCE by `kaleido embed`, which are completed where photos are missing in them.
        keep: Keep the products that SOURCE lacks.
        remove: Ids of products to remove from the index, instead of reading a SOURCE.
        overwrite: Replace an index of another model.
    """

    source: str | None = field(default=None, metadata=POSITIONAL)
    out: str
    model: str | None = None
    vectors: str | None = None
    keep: bool = False
    remove: tuple[str, ...] = ()
    overwrite: bool = False

    def __post_init__(self):
        super().__post_init__()
        if (self.source is None) != bool(self.remove):
            raise UserError(
                "give a SOURCE to index, or --remove with ids of products. Received: "
                + ("both" if self.remove else "neither")
            )
        if self.keep and self.overwrite:
            raise UserError("--keep keeps products of an index and --overwrite replaces it; give one of them")


def index(config: IndexOptions) -> None:
    """Makes an index of a catalogue, a folder of photos or a table to search in, or brings one up to date."""
    from kaleido.search.index import Index
    from kaleido.search.store import Store

    common: dict[str, Any] = {
        "vectors": config.vectors,
        "reading": config.reading(),
        "batch_size": config.batch_size,
        "on_error": config.on_error,
    }
    if config.remove:
        changes = Index.open(config.out, config.model).remove(config.remove)
    elif Store(config.out).exists and not config.overwrite:
        changes = Index.open(config.out, config.model).update(config.source, remove=not config.keep, **common)
    elif config.model is None:
        raise UserError(f"{config.out}: a new index needs --model, the model that makes its vectors")
    else:
        changes = Index.build(config.out, config.source, config.model, overwrite=config.overwrite, **common).changes
    for line in changes.notes:
        print(f"kaleido index: {line}", file=sys.stderr)
    print("\n".join([*changes.skipped, f"{config.out}: {changes}"]))


COMMAND = Command(index, IndexOptions)
