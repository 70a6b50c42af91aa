"""`kaleido prepare`: from a catalogue to records."""

from pathlib import Path

from kaleido.commands.command import Command
from kaleido.records.config import PrepareRun


def prepare(run: PrepareRun) -> None:
    """Turns a catalogue into records: product boxes, kaleido patches, their features, and token ids."""
    from kaleido.catalog.catalog import Catalog
    from kaleido.records import prepare as preparation
    from kaleido.records.patch_sheet import write_patch_sheet
    from kaleido.records.shard import Shard
    from kaleido.records.splits import unseen_labels_of

    shard = Shard.parse(run.shard) if run.shard else None
    catalog = Catalog.open(run.catalog)
    summary = preparation.prepare(catalog, Path(run.out), run.prepare_config, run.overwrite, shard)
    print(summary)
    if summary.missing is not None:
        return
    if unseen := unseen_labels_of(catalog.products, run.prepare_config):
        print(f"labels of held-out products that are in no training product: {', '.join(unseen)}")
    if sheet := write_patch_sheet(catalog, run.prepare_config, summary.directory):
        print(f"kaleido patches of some products: {sheet}")


COMMAND = Command(prepare, PrepareRun)
