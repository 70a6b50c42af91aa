"""`python -m kaleido prepare`: from a catalogue to records."""

from io import BytesIO
from pathlib import Path

from kaleido import configuration
from kaleido.atomic import remove_leftovers, write_atomically
from kaleido.backend import import_backend
from kaleido.catalog.catalog import Catalog
from kaleido.commands import prepare_original
from kaleido.errors import UserError
from kaleido.records.config import PrepareConfig, PrepareRun
from kaleido.records.shard import Shard
from kaleido.records.splits import assign_splits, unseen_labels

SHEET_FILE = "patches.png"
SHEET_PRODUCTS = 8


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    if any(argument.partition("=")[0] == prepare_original.OPTION for argument in argv):
        return prepare_original.main(argv)
    run = configuration.parse(
        PrepareRun,
        argv,
        "python -m kaleido prepare",
        "Turns a catalogue into records: product boxes, kaleido patches, their features, and token ids. With "
        f"{prepare_original.OPTION} LIST OUT it takes the original release's files instead (--help beside them tells).",
    )
    shard = None if run.shard is None else Shard.parse(run.shard)
    catalog = Catalog.open(Path(run.catalog))
    import_backend()
    from kaleido.records.prepare import prepare

    summary = prepare(catalog, Path(run.records), run.prepare_config, run.overwrite, shard)
    counts = ", ".join(f"{count:,} {split}" for split, count in summary.photos.items())
    rejected = f", {summary.rejected:,} rejected (rejects.jsonl)" if summary.rejected else ""
    rate = f", {summary.made:,} of them now, {summary.made / summary.seconds:.1f} a second" if summary.made else ""
    took = f" in {summary.seconds:.0f} s{rate}" if summary.seconds else ", there already"
    print(f"{summary.directory}: photos {counts}{rejected}{took}")
    if summary.missing is not None:
        _print_next(run, summary.missing)
        return 0
    config = run.prepare_config
    splits = assign_splits(catalog.products, config.validation_fraction, config.test_fraction, config.seed)
    if unseen := unseen_labels(catalog.products, splits):
        print(f"labels of held-out products that are in no training product: {', '.join(unseen)}")
    if config.grid != "kaleido":
        return 0
    sheet = Path(run.records) / SHEET_FILE
    if not sheet.exists():
        remove_leftovers(sheet.parent)
        _write_sheet(catalog, run.prepare_config, sheet)
    print(f"kaleido patches of some products: {sheet}")
    return 0


def _print_next(run: PrepareRun, missing: int) -> None:
    print(
        f"shard {run.shard} is done; files that other shards have still to make: {missing:,}. After the last, the same "
        f"command without --shard completes {run.records}; where hosts share no disk, first copy their "
        f"{run.records}.partial into one"
    )


def _write_sheet(catalog: Catalog, config: PrepareConfig, path: Path) -> None:
    from kaleido.vision.kaleido_sheet import kaleido_sheet, kaleido_sheets
    from kaleido.vision.photo import decode
    from kaleido.vision.saliency import box_of, create_saliency

    saliency = create_saliency(config.saliency, config.saliency_weights)
    sheets = []
    for product in catalog.products[:: max(1, len(catalog.products) // SHEET_PRODUCTS)][:SHEET_PRODUCTS]:
        try:
            photo = decode(catalog.read(product.photos[0].uri))
        except UserError:
            # Already among the rejects, or preparation would have stopped.
            continue
        mask = saliency.mask(photo)
        sheets.append(kaleido_sheet(photo, mask, box_of(mask)))
    if sheets:
        png = BytesIO()
        kaleido_sheets(sheets).save(png, format="PNG")
        write_atomically(path, png.getvalue())
