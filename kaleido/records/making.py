"""Making records of any kind, file by file, so that an interruption costs one file at most."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from kaleido.atomic import remove_atomically
from kaleido.catalog.product import SPLITS
from kaleido.cluster import Cluster
from kaleido.errors import UserError
from kaleido.locks import folder_locked
from kaleido.progress import progress_bars, tqdm
from kaleido.records.builder import REJECTS_FILE, KaleidoRecords, Portion, RecordFile
from kaleido.records.description import read_description
from kaleido.records.fixed_layout import FixedLayout
from kaleido.records.place import index_file, partial_directory
from kaleido.records.shard import Shard
from kaleido.records.work_folder import WorkFolder, check_same, read_json
from kaleido.text import Tokenizer

_SEEN_WITHIN = 90.0
"""Seconds after which a file that another host made must be seen; NFS remembers for 60 that one was not there."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a preparation; its text is what the command prints.

    Attributes:
        directory: Folder of the records.
        photos: Records of each split.
        rejected: Photos that gave no record; `rejects.jsonl` lists them.
        seconds: Time it took; 0 if everything was there.
        made: Photos that were taken up now, and not by an earlier run or another process.
        missing: Files that other shards still have to make; None for records that are complete and in their place.
        shard: The shard that was made, if `missing` is not None.
        unseen_labels: Labels of held-out products that no training product has.
        products: Products of each split.
        sheet: Picture of the patches of some products.
    """

    directory: Path
    photos: dict[str, int]
    rejected: int
    seconds: float
    made: int
    missing: int | None = None
    shard: Shard | None = None
    unseen_labels: Sequence[str] = ()
    products: Mapping[str, int] = field(default_factory=dict)
    sheet: Path | None = None

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {split}" for split, count in self.photos.items())
        rejected = f", {self.rejected:,} rejected ({REJECTS_FILE})" if self.rejected else ""
        rate = f", {self.made:,} of them now, {self.made / self.seconds:.1f} a second" if self.made else ""
        took = f" in {self.seconds:.0f} s{rate}" if self.seconds else ", there already"
        directory = self.directory if self.shard is None else partial_directory(self.directory)
        text = f"{directory}: photos {counts}{rejected}{took}"
        if self.products:
            split = ", ".join(f"{self.products.get(name, 0):,} {name}" for name in SPLITS)
            text += f"\nproducts {split}"
        if self.unseen_labels:
            text += f"\nlabels of held-out products that are in no training product: {', '.join(self.unseen_labels)}"
        if self.sheet:
            text += f"\nkaleido patches of some products: {self.sheet}"
        if self.shard is None:
            return text
        return (
            f"{text}\n"
            f"shard {self.shard} is done; files that other shards have still to make: {self.missing:,}. After "
            f"the last, the same command without --shard completes {self.directory}; where hosts share no disk, first "
            f"copy their {directory} into one"
        )


class Source(Protocol):
    """A source that records are made from.

    Attributes:
        plan: Everything that the records depend on, in JSON types; it becomes part of the metadata.
        progress: Options of `tqdm` for the sizes of the portions.
    """

    plan: Mapping[str, Any]
    progress: Mapping[str, Any]

    def open(self) -> None:
        """Loads models and data; called only if there is something to make.

        Raises:
            UserError: if nothing can be made of this.
        """

    def create_tokenizer(self) -> Tokenizer:
        """Creates the tokenizer of the texts; the same every time."""

    def portions(
        self, work: WorkFolder, progress: tqdm
    ) -> tuple[FixedLayout, Mapping[str, Any], Mapping[str, Sequence[Portion]]]:
        """Gives the layout of the records, their metadata beside plan and vocabulary, and the files of each split."""


def make_records(
    source: Source,
    directory: Path,
    overwrite: bool = False,
    shard: Shard | None = None,
    cluster: Cluster | None = None,
) -> Summary:
    """Makes records, or continues an interrupted run, or finds them made.

    Args:
        source: Source of the records.
        directory: Folder of the records, with the vocabulary and the index.
        overwrite: Whether records that were made otherwise are replaced.
        shard: Makes only the files of this shard and leaves them in `partial_directory(directory)`, where other
            processes may be at work at the same time; a call without it then makes what is missing and moves everything
            into place.
        cluster: Cluster that makes the files, in folders that all its nodes see under the same paths; the source must
            be picklable.

    Returns:
        A summary of the records, or of what was made of the shard.

    Raises:
        UserError: if the source cannot be used, or `directory` holds something else, or files made otherwise wait to be
            moved there, or another process replaces the records or, with `overwrite`, makes some.
    """
    directory = Path(directory)
    if overwrite and shard:
        raise UserError(
            f"--overwrite true would remove what the other shards make; delete {directory} and "
            f"{partial_directory(directory)} before the first shard instead"
        )
    if overwrite and cluster:
        raise UserError(
            f"--overwrite true does not go with --cluster, whose nodes share the work; delete {directory} and "
            f"{partial_directory(directory)} instead"
        )
    # Processes share the work, unless one begins by removing what others make.
    with folder_locked(partial_directory(directory), directory, shared=not overwrite):
        return _make_locked(source, directory, overwrite, shard, cluster)


def _make_locked(
    source: Source, directory: Path, overwrite: bool, shard: Shard | None, cluster: Cluster | None
) -> Summary:
    started = time.monotonic()
    if overwrite and _holds_records(directory):
        with folder_locked(directory):
            remove_atomically(directory)
    if _is_made(directory, source.plan):
        # Left behind only by a run that was stopped between its last two steps.
        shutil.rmtree(partial_directory(directory), ignore_errors=True)
        return _summary(directory, 0.0, 0)
    made = 0
    try:
        builder, files, made = _make(source, directory, overwrite, shard, cluster)
        if shard:
            return _shard_summary(builder, files, directory, time.monotonic() - started, made, shard)
        builder.publish()
    except (UserError, OSError):
        # Whoever publishes first takes the work folder away from all the others, whose work is then done.
        if not _is_made(directory, source.plan):
            raise
    return _summary(directory, time.monotonic() - started, made)


def _make(
    source: Source, directory: Path, overwrite: bool, shard: Shard | None, cluster: Cluster | None
) -> tuple[KaleidoRecords, list[RecordFile], int]:
    """Makes the files of a shard, or all, that are not there.

    Returns:
        Their builder, the files, and how many photos were taken up for them.
    """
    source.open()
    work = WorkFolder.begin(partial_directory(directory), source.plan, source.create_tokenizer, overwrite)
    with tqdm(desc="prepare", **source.progress) as progress:
        builder = _create_builder(source, directory, work, progress)
        files = [file for number, file in enumerate(builder.files) if shard is None or shard.holds(number)]
        missing = [file for file in files if not builder.is_finished(file)]
        progress.reset(total=sum(map(builder.size, files)))
        progress.initial = progress.n = progress.total - sum(map(builder.size, missing))
        progress.set_postfix_str(f"{len(files) - len(missing)} of {len(files)} files found")
        made = 0
        if cluster:
            for file in _make_on_cluster(cluster, source, directory, work.path, builder, missing):
                progress.update(builder.size(file))
                made += sum(_count(builder, file))
            return builder, files, made
        for file in missing:
            if builder.is_finished(file):
                # By another process, since this one looked.
                progress.update(builder.size(file))
            else:
                builder.make(file)
                made += sum(_count(builder, file))
    return builder, files, made


def _create_builder(source: Source, directory: Path, work: WorkFolder, progress: tqdm) -> KaleidoRecords:
    """Creates the builder of the records of an open source."""
    layout, metadata, portions = source.portions(work, progress)
    metadata = {**source.plan, **metadata, "vocabulary": work.vocabulary}
    return KaleidoRecords(directory, layout, metadata, portions, work.path)


def _make_on_cluster(
    cluster: Cluster, source: Source, directory: Path, work: Path, builder: KaleidoRecords, files: list[RecordFile]
) -> Iterator[RecordFile]:
    """Makes files on the nodes of a cluster; yields each once it is seen here."""
    numbers = {file: number for number, file in enumerate(builder.files)}
    job = _Job(source, directory.absolute(), work.absolute())
    for number in cluster.map(_make_here, job, map(numbers.__getitem__, files)):
        file, since = builder.files[number], time.monotonic()
        while not builder.is_finished(file):
            # A network folder may show a file late that another host has made.
            if time.monotonic() > since + _SEEN_WITHIN:
                raise UserError(
                    f"{work}: a node has made {file}, and it is not to be seen here; the folder must be on a disk that "
                    "this machine and all nodes share under the same path"
                )
            time.sleep(0.1)
        yield file


@dataclass
class _Job:
    """Describes the files that the nodes of a cluster make.

    Attributes:
        source: Source of the records.
        directory: Folder of the records.
        work: Folder of the files, which the caller has begun.
    """

    source: Source
    directory: Path
    work: Path

    @cached_property
    def builder(self) -> KaleidoRecords:
        """Builder on this node, whose networks load once.

        Raises:
            UserError: if this node would make other records than the caller.
        """
        self.source.open()
        partial = partial_directory(self.directory)
        found = WorkFolder.begin(partial, self.source.plan, self.source.create_tokenizer, False)
        if found.path != self.work:
            raise UserError(f"{self.work}: this node would make other records, in {found.path}")
        return _create_builder(self.source, self.directory, found, tqdm(disable=True))


def _make_here(job: _Job, number: int) -> int:
    """Makes a file on the node that this is called on, unless it is there; returns its number."""
    if not job.work.is_dir():
        raise UserError(
            f"{job.work}: not there; the folder of the records must be on a disk that all nodes share under the same "
            "path"
        )
    with progress_bars(False), folder_locked(partial_directory(job.directory), job.directory, shared=True):
        if not job.builder.is_finished(job.builder.files[number]):
            job.builder.make(job.builder.files[number])
    return number


def _count(builder: KaleidoRecords, file: RecordFile) -> tuple[int, int]:
    """Counts the records and rejects of a finished file."""
    index, rejects = builder.read_part(file)
    return len(index), rejects.count("\n")


def _is_made(directory: Path, plan: Mapping[str, Any]) -> bool:
    if not directory.exists() or not any(directory.iterdir()):
        return False
    if not _holds_records(directory):
        raise UserError(f"{directory}: holds other files than records; name another folder or empty it")
    check_same(directory, read_json(directory / "metadata.json"), plan)
    return True


def _holds_records(directory: Path) -> bool:
    return (directory / index_file("train")).exists()


def _shard_summary(
    builder: KaleidoRecords, files: list[RecordFile], directory: Path, seconds: float, made: int, shard: Shard
) -> Summary:
    photos, rejected = {file.split: 0 for file in builder.files}, 0
    for file in files:
        records, rejects = _count(builder, file)
        photos[file.split] += records
        rejected += rejects
    missing = sum(not builder.is_finished(file) for file in builder.files)
    return Summary(directory, photos, rejected, seconds, made, missing, shard)


def _summary(directory: Path, seconds: float, made: int) -> Summary:
    _, lengths = read_description(directory)
    rejects = directory / REJECTS_FILE
    rejected = rejects.read_bytes().count(b"\n") if rejects.exists() else 0
    photos = {split: sum(of_files) for split, of_files in lengths.items()}
    if not photos.get("train"):
        raise UserError(f"{directory}: no training photo could be used, {rejected} were rejected; see {REJECTS_FILE}")
    return Summary(directory, photos, rejected, seconds, made)
