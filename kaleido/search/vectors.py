"""Vectors of the photos and texts of a catalogue, kept in one Parquet file."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.rejects import OnError
from kaleido.cluster import Cluster, ClusterConfig, connected
from kaleido.errors import UserError
from kaleido.locks import folder_locked
from kaleido.pretrained.hub import load
from kaleido.pretrained.inputs import Group
from kaleido.pretrained.model import BATCH_SIZE, Model
from kaleido.progress import progress_bars, tqdm
from kaleido.search.encoder import Encoder, kinds_of, model_checksum
from kaleido.search.prepared import PreparedPhotos
from kaleido.search.products import Products, TableReading, open_products, stamp_of
from kaleido.search.vector_file import KINDS, Dtype, Header, read_vectors, write_vectors

PART_PHOTOS, PART_SECONDS = 2048, 60.0
"""Photos and seconds after which what was encoded is written, so that a killed process loses no more."""

Encoded = tuple[list[int], Mapping[str, np.ndarray]]
"""Rows of a batch, and their vectors by kind."""

TASK_PHOTOS = 512
"""Photos that one task of a cluster encodes, about."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors of photos, a row a photo, in the order of the catalogue.

    Attributes:
        path: The file.
        header: Which model made them, of which kinds, and how they are stored.
        ids: Product of each photo.
        photos: Name of each photo, unique in the catalogue.
        stamps: Checksum of the content of each photo.
        titles: Title of each photo's product.
        texts: Title and description of each photo's product, as the model reads them; empty if there are none.
        image: float16 or float32 [n, d] of length 1, of the photos; None if the model has none.
        text: The same of the texts, NaN where a text is empty; their dot products with `image` are cosines.
        fused: float16 or float32 [n, H], of photo and text read together; None if the model has none.
        encoded: Number of photos that were encoded by the call that made them.
        reused: Number of photos whose vectors were there.
        skipped: Photos and rows that were left out, and why, a line each.
        notes: What else the caller should know, a line each.
    """

    path: Path
    header: Header
    ids: Sequence[str]
    photos: Sequence[str]
    stamps: Sequence[str]
    titles: Sequence[str]
    texts: Sequence[str]
    image: np.ndarray | None
    text: np.ndarray | None
    fused: np.ndarray | None
    encoded: int = 0
    reused: int = 0
    skipped: Sequence[str] = ()
    notes: Sequence[str] = ()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Vectors":
        """Opens a file that `embed` has written.

        Raises:
            UserError: if there is none, or it is damaged.
        """
        path = Path(path)
        header, columns = read_vectors(path)
        return cls(path, header, **columns)

    def __len__(self) -> int:
        return len(self.photos)

    def __str__(self) -> str:
        kinds = ", ".join(
            f"{kind} {values.shape[1]}" for kind in self.header.kinds if (values := getattr(self, kind)) is not None
        )
        made = f"{self.encoded:,} encoded, {self.reused:,} there already"
        return f"{len(self):,} photos ({made}): {kinds}, {self.header.dtype}, in {self.path}"


def embed(
    source: str | os.PathLike[str] | Catalog | Products,
    model: str | os.PathLike[str] | Model,
    out: str | os.PathLike[str],
    *,
    kinds: Sequence[str] | None = None,
    dtype: Dtype | None = None,
    records: str | os.PathLike[str] | None = None,
    reading: TableReading = TableReading(),
    batch_size: int = BATCH_SIZE,
    on_error: OnError = "stop",
    overwrite: bool = False,
    progress: bool = True,
    cluster: str | None = None,
    cluster_config: ClusterConfig = ClusterConfig(),
) -> Vectors:
    """Encodes the photos and texts of a catalogue into a file, a row a photo.

    An interrupted call is continued by the same call. Where the file is there, only photos whose content is new, and
    texts that are new, are encoded.

    Args:
        source: A catalogue or its folder; a folder with photos, also in sub-folders; or a table, as
            `catalog import folder` reads it.
        model: Model, or what `load` takes for it.
        out: Parquet file to write.
        kinds: Vectors to make: `image` and `text` of a two-tower model, `fused` of a model that reads photo and text
            together; None makes those of the file or, where there is none, all that the model has.
        dtype: Precision of the stored vectors; None is that of the file or, where there is none, float16.
        records: Folder of the catalogue's prepared records, whose features are read instead of photos.
        reading: How a table is read.
        batch_size: Photos at once.
        on_error: What an unusable photo or row does: `stop`, or `skip`.
        overwrite: Whether vectors of another model or of other options are replaced.
        progress: Whether progress bars are drawn.
        cluster: Cluster that encodes the photos: `local`, `auto` or `ray://HOST:PORT`; None for this process.
        cluster_config: What a task takes there.

    Raises:
        UserError: if the model has none of the kinds, the file holds vectors of another model, a photo cannot be read
            and `on_error` is `stop`, or none can.
    """
    if on_error not in ("stop", "skip"):
        raise UserError(f"on_error must be one of stop, skip. Received: {on_error}")
    if dtype not in (None, "float16", "float32"):
        raise UserError(f"dtype must be float16 or float32. Received: {dtype}")
    model = model if isinstance(model, Model) else load(model, progress=progress)
    out = Path(out)
    if out.suffix != ".parquet" or out.is_dir():
        raise UserError(f"{out}: vectors are written as a Parquet file; name one that ends in .parquet")
    # Vectors of all kinds and models go into the same file, and whoever is done removes all parts.
    with progress_bars(progress), folder_locked(out.with_name(f"{out.name}.partial"), out):
        former = None if overwrite or not out.exists() else Vectors.open(out)
        if former:
            kinds, dtype = kinds or former.header.kinds, dtype or former.header.dtype
        checksum = model_checksum(model)
        # A file of another model is told as such, and not by the kinds of vectors that this one lacks.
        same = former is None or former.header.model == checksum
        header = Header(checksum, model.task, kinds_of(model, kinds) if same else (), dtype or "float16")
        if former and (difference := former.header.difference(header)):
            raise UserError(
                f"{out}: choose another file, or replace this one by --overwrite; it holds vectors of {difference}"
            )
        prepared = Path(records) if records is not None else None
        products = open_products(source, reading, on_error)
        embedding = Embedding(products, model, out, header, batch_size, on_error == "skip", prepared)
        with connected(cluster, cluster_config) as nodes:
            return embedding.run(former, nodes)


class Embedding:
    """One call of `embed`, or a node's share of it.

    Attributes:
        listed: Product and photo of each row.
        stamps: Checksum of each photo's content; empty until it was read.
        done: Whether the vectors of a row are there.
        arrays: [n, d] by kind; rows of NaN are missing.
        cut: Number of texts that nodes of a cluster had to cut.
    """

    def __init__(
        self,
        products: Products,
        model: Model,
        out: Path,
        header: Header,
        batch_size: int,
        skip: bool,
        records: Path | None = None,
    ):
        self.products = products
        self.records = records
        self.prepared = PreparedPhotos(records, products, model) if records is not None else None
        self.model = model
        self.out = out
        self.header = header
        self.encoder = Encoder(model, header.kinds, batch_size)
        self.cut = 0
        self.listed = [(product, photo) for product in products.products for photo in product.photos]
        self.texts = [product.text for product, _ in self.listed]
        self.stamps = [""] * len(self.listed)
        self.done = np.zeros(len(self.listed), bool)
        self.arrays: dict[str, np.ndarray] = {}
        self.unreadable: dict[str, str] | None = {} if skip else None
        digest = hashlib.sha256(repr(header).encode()).hexdigest()[:16]
        self.partial = out.with_name(f"{out.name}.partial") / digest

    def __reduce__(self):
        # By places: a node of a cluster opens them itself.
        records = self.records and self.records.absolute()
        options = self.header, self.encoder.batch_size, self.unreadable is not None, records
        return _reopened, (self.products, self.model.directory.absolute(), self.out, *options)

    def run(self, former: Vectors | None, cluster: Cluster | None = None) -> Vectors:
        """Makes the vectors, from those that are there and from photos, and writes them."""
        photos, texts = self._restore(former)
        cut = self.encoder.cut
        self._encode_photos(photos, cluster)
        if texts:
            values = self.encoder.texts([self.texts[place] for place in texts])
            self._array("text", values.shape[1])[texts] = values
        done = np.flatnonzero(self.done).tolist()
        if not done:
            raise UserError(f"{self.products.place}: none of its {len(self.listed):,} photos can be read")
        columns = self._columns(done)
        vectors = {kind: self.arrays[kind][done] for kind in self.header.kinds}
        write_vectors(self.out, self.header, columns, vectors)
        shutil.rmtree(self.partial.parent, ignore_errors=True)
        notes = list(self.products.notes)
        if cut := self.encoder.cut - cut + self.cut:
            notes.append(
                f"texts cut to the {self.model.text_length} positions that the model was trained with: {cut:,}"
            )
        if empty := sum(not self.texts[place] for place in done) if self.header.kinds != ("image",) else 0:
            notes.append(f"photos without a text: {empty:,} of {len(done):,}")
        unreadable = self.unreadable or {}
        attributes: dict[str, Any] = {**columns, **{kind: vectors.get(kind) for kind in KINDS}}
        return Vectors(
            self.out,
            self.header,
            **attributes,
            encoded=len(photos) - len(unreadable),
            reused=len(self.listed) - len(photos),
            skipped=[*self.products.skipped, *(f"skipped {name}: {reason}" for name, reason in unreadable.items())],
            notes=notes,
        )

    def _restore(self, former: Vectors | None) -> tuple[list[int], list[int]]:
        """Takes over vectors of the former file and of an interrupted call.

        Returns:
            Rows whose photos have to be encoded, and rows of which the text alone has.
        """
        files = [former] if former else []
        files += [Vectors.open(part) for part in sorted(self.partial.glob("*.parquet"))]
        self.part_number = len(files)
        known: dict[str, list[tuple[Vectors, int]]] = {}
        for file in files:
            for row, name in enumerate(file.photos):
                known.setdefault(name, []).append((file, row))
        places = [place for place, (_, photo) in enumerate(self.listed) if photo.id in known]
        texts, photos = [], set(range(len(self.listed)))
        for place in tqdm(places, "photos compared", unit="photo", disable=not places):
            try:
                stamp = stamp_of(self.products.read(self.listed[place][1].uri))
            except UserError:
                continue  # told when it is to be encoded
            for file, row in reversed(known[self.listed[place][1].id]):
                same_text = file.texts[row] == self.texts[place]
                if file.stamps[row] != stamp or ("fused" in self.header.kinds and not same_text):
                    continue
                for kind in self.header.kinds:
                    if kind != "text" or same_text:
                        values = getattr(file, kind)
                        self._array(kind, values.shape[1])[place] = values[row]
                if "text" in self.header.kinds and not same_text:
                    texts.append(place)
                self.stamps[place], self.done[place] = stamp, True
                photos.discard(place)
                break
        return sorted(photos), texts

    def _encode_photos(self, places: Sequence[int], cluster: Cluster | None) -> None:
        """Encodes the photos of some rows, and keeps what is done as parts."""
        waiting: list[int] = []
        written = time.monotonic()
        encoded = self._encode_on_cluster(places, cluster) if cluster else self.encode(places)
        with tqdm(total=len(places), desc="embed", unit="photo", disable=not places) as bar, progress_bars(False):
            try:
                for rows, vectors in encoded:
                    for kind, values in vectors.items():
                        self._array(kind, values.shape[1])[rows] = values
                    self.done[rows] = True
                    waiting += rows
                    bar.update(len(rows))
                    if len(waiting) >= PART_PHOTOS or time.monotonic() - written > PART_SECONDS:
                        self._write_part(waiting)
                        waiting, written = [], time.monotonic()
            except BaseException:
                # A photo that cannot be read, or Ctrl-C: what was encoded is not encoded again.
                if waiting:
                    self._write_part(waiting)
                raise

    def encode(self, places: Sequence[int]) -> Iterator[Encoded]:
        """Encodes the photos of some rows here; yields the rows and vectors of a batch."""
        there = {place: photo for place in places if (photo := self.listed[place][1].id) in (self.prepared or ())}
        batches = self.model._processor.batches(
            self._groups([place for place in places if place not in there]),
            self.encoder.batch_size,
            None,
            self.unreadable,
            "--on-error skip",
        )
        if self.prepared:
            batches = chain(self.prepared.batches(there, self.encoder.batch_size), batches)
        for rows, batch in batches:
            for place in there.keys() & set(rows):
                self._read(place)  # for its checksum
            yield rows, self.encoder(batch, [self.texts[row] for row in rows])

    def _encode_on_cluster(self, places: Sequence[int], cluster: Cluster) -> Iterator[Encoded]:
        """Encodes the photos of some rows on the nodes of a cluster; yields as `encode`."""
        size = -(-TASK_PHOTOS // self.encoder.batch_size) * self.encoder.batch_size
        parts = [places[start : start + size] for start in range(0, len(places), size)]
        for found, stamps, unreadable, cut in cluster.map(_encode_here, self, parts):
            for place, stamp in stamps.items():
                self.stamps[place] = stamp
            if self.unreadable is not None:
                self.unreadable |= unreadable
            self.cut += cut
            yield from found

    def _groups(self, places: Sequence[int]) -> Iterator[Group]:
        for place in places:
            _, photo = self.listed[place]
            yield Group(self.products.locate(photo.uri), partial(self._read, place), [place])

    def _read(self, place: int) -> "bytes | np.ndarray":
        data = self.products.read(self.listed[place][1].uri)
        self.stamps[place] = stamp_of(data)
        return data

    def _write_part(self, places: Sequence[int]) -> None:
        vectors = {kind: self.arrays[kind][places] for kind in self.header.kinds}
        write_vectors(self.partial / f"{self.part_number:05}.parquet", self.header, self._columns(places), vectors)
        self.part_number += 1

    def _columns(self, places: Sequence[int]) -> dict[str, list[str]]:
        listed = [self.listed[place] for place in places]
        return {
            "ids": [product.id for product, _ in listed],
            "photos": [photo.id for _, photo in listed],
            "stamps": [self.stamps[place] for place in places],
            "titles": [product.title for product, _ in listed],
            "texts": [self.texts[place] for place in places],
        }

    def _array(self, kind: str, size: int) -> np.ndarray:
        if kind not in self.arrays:
            self.arrays[kind] = np.full((len(self.listed), size), np.nan, self.header.dtype)
        if (there := self.arrays[kind].shape[1]) != size:
            raise UserError(
                f"{self.out}: the file, or what an interrupted call left in {self.partial}, holds {kind} vectors of "
                f"another size than the model makes; remove it. Received: {there} and {size}"
            )
        return self.arrays[kind]


def _reopened(
    products: Products, directory: Path, out: Path, header: Header, batch_size: int, skip: bool, records: Path | None
) -> Embedding:
    """Makes the call of another process here.

    Raises:
        UserError: if there is another model here.
    """
    model = load(directory)
    if (found := model_checksum(model)) != header.model:
        raise UserError(f"{directory}: not the caller's model {header.model[:12]}. Received: {found[:12]}")
    return Embedding(products, model, out, header, batch_size, skip, records)


def _encode_here(
    embedding: Embedding, places: Sequence[int]
) -> tuple[list[Encoded], dict[int, str], dict[str, str], int]:
    """Encodes the photos of some rows on the node that this is called on.

    Returns:
        Rows and vectors of batches, checksums of the photos by row, unreadable photos, and the number of cut texts.
    """
    with progress_bars(False):
        if embedding.unreadable:
            embedding.unreadable.clear()
        cut = embedding.encoder.cut
        found = list(embedding.encode(places))
    stamps = {place: embedding.stamps[place] for rows, _ in found for place in rows}
    return found, stamps, dict(embedding.unreadable or {}), embedding.encoder.cut - cut
