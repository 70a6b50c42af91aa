"""Records of any kind, and their batches."""

from pathlib import Path

from kaleido.plugins import RECORDS, load_plugins
from kaleido.records.description import kind_of, read_description
from kaleido.records.pipeline import Pipeline
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.records.stream import BatchStream

_KINDS: dict[str, tuple[type[SplitRecords], type[BatchStream]]] = {}


def register_records(records: type[SplitRecords], pipeline: type[BatchStream]) -> None:
    """Makes a kind of records known to `open_records` and `create_pipeline`.

    Args:
        records: Class of the records, found by its `KIND`.
        pipeline: Class of their batches, with the arguments of `Pipeline`.
    """
    _KINDS[records.KIND] = records, pipeline


register_records(PhotoRecords, Pipeline)


def open_records(directory: Path, split: str) -> SplitRecords:
    """Opens one split of the records in a folder, of whatever kind.

    Raises:
        UserError: if there are no such records, or what describes them is damaged.
    """
    metadata, _ = read_description(Path(directory))
    kind = kind_of(metadata)
    if kind not in _KINDS:
        load_plugins(RECORDS)
    # Of a kind that nobody registered, `open` says so.
    records, _ = _KINDS.get(kind, (PhotoRecords, Pipeline))
    return records.open(directory, split)


def create_pipeline(records: SplitRecords, *args, **kwargs) -> BatchStream:
    """Creates the batches of some records, with the arguments of `Pipeline`."""
    if records.KIND not in _KINDS:
        load_plugins(RECORDS)
    return _KINDS[records.KIND][1](records, *args, **kwargs)
