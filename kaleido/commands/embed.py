"""`kaleido embed`: vectors of the photos and texts of a catalogue, a folder or a table."""

import sys
from dataclasses import dataclass, field
from typing import Literal

from kaleido.cluster import ClusterOptions
from kaleido.commands.command import Command
from kaleido.commands.sources import SourceOptions
from kaleido.configuration import POSITIONAL


@dataclass(frozen=True, kw_only=True)
class Embed(SourceOptions, ClusterOptions):
    """Photos to encode, and the model.

    Args:
        source: A catalogue; a folder with photos, also in sub-folders; or a table (.csv, .xlsx, .json and others) as
            `catalog import folder` reads it.
        model: Folder of a saved model that makes vectors, the `model` folder of a run; or its address or name.
        out: Parquet file to write; where it is there, only new and changed photos are encoded.
        kinds: Vectors to make, of image, text and fused (photo and text read together); if none is given, those of the
            file, or all that the model has.
        dtype: Precision of the stored vectors; null is that of the file, or float16.
        records: Prepared records of the catalogue, whose features are read instead of the photos.
        overwrite: Replace vectors of another model or of other options.
    """

    source: str = field(metadata=POSITIONAL)
    model: str
    out: str
    kinds: tuple[Literal["image", "text", "fused"], ...] = ()
    dtype: Literal["float16", "float32"] | None = None
    records: str | None = None
    overwrite: bool = False

    def __post_init__(self):
        SourceOptions.__post_init__(self)
        ClusterOptions.__post_init__(self)


def embed(config: Embed) -> None:
    """Writes vectors of the photos and texts of a catalogue, a folder or a table: of images, of texts, and of both."""
    from kaleido.search import vectors

    found = vectors.embed(
        config.source,
        config.model,
        config.out,
        kinds=config.kinds or None,
        dtype=config.dtype,
        records=config.records,
        reading=config.reading(),
        batch_size=config.batch_size,
        on_error=config.on_error,
        overwrite=config.overwrite,
        cluster=config.cluster,
        cluster_config=config.cluster_config,
    )
    for line in found.notes:
        print(f"kaleido embed: {line}", file=sys.stderr)
    print("\n".join([*found.skipped, str(found)]))


COMMAND = Command(embed, Embed)
