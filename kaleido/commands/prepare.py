"""`kaleido prepare`: from a catalogue to records."""

from kaleido.commands.command import Command
from kaleido.records.config import PrepareRun


def prepare(run: PrepareRun) -> None:
    """Turns a catalogue into records: product boxes, kaleido patches, their features, and token ids."""
    from kaleido.records import prepare as preparation

    config = run.prepare_config
    if run.model:
        from kaleido.app.model_folder import read_model_config
        from kaleido.pretrained.hub import find_model
        from kaleido.pretrained.processor import prepared_like

        directory = find_model(run.model)
        config = prepared_like(read_model_config(directory), directory, config)
    options = {"config": config, "overwrite": run.overwrite}
    if run.shard:
        print(preparation.prepare_shard(run.catalog, run.out, run.shard, **options))
    else:
        cluster = {"cluster": run.cluster, "cluster_config": run.cluster_config}
        print(preparation.prepare(run.catalog, run.out, **options, **cluster).summary)


COMMAND = Command(prepare, PrepareRun)
