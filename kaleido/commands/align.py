"""`kaleido align`: the words of a text that belong to each patch of its photo."""

from kaleido.alignment.config import AlignRun
from kaleido.commands.command import Command


def align(run: AlignRun) -> None:
    """Trains a captioner on a catalogue's own texts, and writes aligned words and patches into its records."""
    from kaleido.alignment import align as alignment

    options = {"config": run.align_config, "overwrite": run.overwrite, "seed": run.seed}
    cluster = {"cluster": run.cluster, "cluster_config": run.cluster_config}
    print(alignment.align(run.records, catalog=run.catalog, **options, **cluster))


COMMAND = Command(align, AlignRun)
