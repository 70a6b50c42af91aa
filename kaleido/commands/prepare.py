"""`kaleido prepare`: from a catalogue to records."""

from kaleido.commands.command import Command
from kaleido.records.config import PrepareRun


def prepare(run: PrepareRun) -> None:
    """Turns a catalogue into records: product boxes, kaleido patches, their features, and token ids."""
    from kaleido.records import prepare as preparation

    options = {"config": run.prepare_config, "overwrite": run.overwrite}
    if run.shard:
        print(preparation.prepare_shard(run.catalog, run.out, run.shard, **options))
    else:
        print(preparation.prepare(run.catalog, run.out, **options).summary)


COMMAND = Command(prepare, PrepareRun)
