"""Records of either kind, and their batches."""

from pathlib import Path

from kaleido.original.pipeline import OriginalPipeline
from kaleido.original.records import OriginalRecords
from kaleido.records.pipeline import Pipeline
from kaleido.records.reader import PhotoRecords, SplitRecords, kind_of, read_description
from kaleido.records.stream import BatchStream

_KINDS = {
    kind.KIND: (kind, pipeline) for kind, pipeline in ((PhotoRecords, Pipeline), (OriginalRecords, OriginalPipeline))
}


def open_records(directory: Path, split: str) -> SplitRecords:
    """Opens what `prepare` made, of photos or of the original release's data.

    Raises:
        UserError: if there are no such records, or what describes them is damaged.
    """
    metadata, _ = read_description(Path(directory))
    # Of a kind that is not known, `open` says so.
    records, _ = _KINDS.get(kind_of(metadata), (PhotoRecords, Pipeline))
    return records.open(directory, split)


def create_pipeline(records: SplitRecords, *args, **kwargs) -> BatchStream:
    """The batches of some records, with the arguments of `Pipeline`."""
    return _KINDS[records.KIND][1](records, *args, **kwargs)
