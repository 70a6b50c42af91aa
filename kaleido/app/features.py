"""Features of a split that lie on the accelerator, so that batches carry only the numbers of their rows."""

from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.backend import ops
from kaleido.constants import patch_counts
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.guidance import MASKED_PATCHES
from kaleido.records.pipeline import FEATURE_ROWS, Pipeline
from kaleido.records.stream import BatchStream
from kaleido.vision.crops import FEATURES

if TYPE_CHECKING:
    from kaleido.app.step import Step

TABLE = "features"
"""Name under which a compiled function finds the table among the arrays of a batch."""

_SHARE = 0.5
"""Share of an accelerator's free memory that features may take by themselves."""

_PART_BYTES = 2**27


def materialise(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces the rows of features in a batch by the features; for compiled functions.

    Args:
        batch: A batch, as tensors. One with `feature_rows` int32 [B, n] also has `features` float16 [rows, D].

    Returns:
        The batch as it is made on the host, bit for bit.
    """
    batch = dict(batch)
    if FEATURE_ROWS not in batch:
        return batch
    rows, table = batch.pop(FEATURE_ROWS), batch.pop(TABLE)
    ends = [0, *accumulate(patch_counts(batch["positions"].shape[1]))]
    places = {f"level{level}": span for level, span in enumerate(pairwise(ends), 1)}
    end = ends[-1]
    for task, level in (("grey", 4), ("blank", 5)):
        if f"{task}_positions" in batch:
            places[f"{task}_targets"] = end, end + MASKED_PATCHES[level]
            end += MASKED_PATCHES[level]
    return batch | {name: ops.take(table, rows[:, start:stop], axis=0) for name, (start, stop) in places.items()}


def hold_features(step: "Step", use: str, batches: BatchStream) -> None:
    """Puts the features of a split on the accelerator, if the configuration says so or they fit, and prints it.

    Args:
        step: The step that gets the batches.
        use: `train` or `evaluate`, the function of the step that gets them.
        batches: The stream of batches, which then carry rows of features.

    Raises:
        UserError: if `preprocess_config.features` is `device` and they cannot lie there.
    """
    wanted, records = batches.config.features, batches.records
    if wanted == "host":
        step.tables = {**step.tables, use: {}}
        return
    key = records.directory, records.split
    if key not in step.table_records:
        # Once: an evaluation comes again and again, and may be of the training's records.
        step.table_records = {**step.table_records, key: _place(step, wanted, batches)}
    step.tables = {**step.tables, use: step.table_records[key]}
    if isinstance(batches, Pipeline):
        batches.on_device = bool(step.tables[use])


def _place(step: "Step", wanted: str, batches: BatchStream) -> Mapping[str, Any]:
    """Puts the features of a split on the devices unless something speaks against it; returns them, or nothing."""
    records = batches.records
    refusal, free, devices = "", step.free_memory(), step.table_devices
    size = (1 + FEATURES * len(records)) * getattr(records, "feature_size", 0) * np.dtype(np.float16).itemsize
    if not isinstance(batches, Pipeline):
        refusal = "only records of a catalogue's photos can lie on the device"
    elif not devices:
        refusal = "several workers, or several devices on TensorFlow, read them from the host"
    elif free is None and wanted == "auto":
        return {}
    elif free is not None and size / devices > free * (_SHARE if wanted == "auto" else 1):
        refusal = f"{size / devices / 1e9:.1f} GB a device, of which {free / 1e9:.1f} GB are free"
    if refusal and wanted == "device":
        raise UserError(f"{records.directory}: preprocess_config.features cannot be device: {refusal}; set it to host")
    if refusal:
        tqdm.write(f"features of {records.split} stay on the host: {refusal}")
        return {}
    assert isinstance(batches, Pipeline)
    # A copy on each device where that fits, so that rows need not travel between devices.
    spread = devices > 1 and free is not None and size > free * _SHARE
    progress = tqdm(total=size, desc=f"features of {records.split} to the device", unit="B", unit_scale=True)
    with progress:
        table = step.place_table((1 + FEATURES * len(records), records.feature_size), _parts(batches, progress), spread)
    tqdm.write(
        f"features of {records.split} lie on the device: {size / 1e9:.1f} GB{', spread over all' if spread else ''}"
        f"{'' if free is None else f' of {free / 1e9:.1f} GB free'}"
    )
    return {TABLE: table}


def _parts(batches: Pipeline, progress: tqdm) -> Iterator[np.ndarray]:
    """Reads the rows of the table in order, a part at a time: zeros, then the 74 vectors of each record."""
    records = batches.records
    yield np.zeros((1, records.feature_size), np.float16)
    size = FEATURES * records.feature_size * records.table.itemsize
    count = max(1, _PART_BYTES // size)
    for start in range(0, len(records), count):
        rows = records.first_rows[start : start + count, None] + np.arange(FEATURES)
        yield records.table[rows.ravel()]
        progress.update(len(rows) * size)
