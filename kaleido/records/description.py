"""The description of records: `dataset_info.json` and `metadata.json`, which anyone may have written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from kaleido.checksums import file_sha256
from kaleido.errors import UserError
from kaleido.records.config import PrepareConfig
from kaleido.records.place import NAME, VERSION, partial_directory
from kaleido.untrusted import MAX_FILE, Count, InnerName, Names, Sha256, Text, checked, inner_file, read_json
from kaleido.vision.patches import Grid

MAX_FEATURE_SIZE = 100_000

PHOTOS = "photos"

AGAIN = "prepare the catalogue again"


class _Split(TypedDict):
    name: Annotated[str, StringConstraints(pattern=r"^[\w-]{1,100}$")]
    shardLengths: Annotated[
        list[Annotated[str, StringConstraints(pattern="^[0-9]{1,9}$")] | Annotated[int, Field(ge=0, lt=10**9)]],
        Field(max_length=100_000),
    ]


class _Info(TypedDict):
    splits: Annotated[list[_Split], Field(max_length=1000)]


class _Vocabulary(TypedDict):
    file: InnerName
    size: Count
    sha256: Sha256


class _Catalog(TypedDict):
    name: NotRequired[Text]
    fingerprint: NotRequired[Text]


class _Metadata(TypedDict):
    feature_size: Annotated[int, Field(ge=1, le=MAX_FEATURE_SIZE)]
    kind: NotRequired[Text]
    backbone: NotRequired[Text | None]
    categories: NotRequired[Names]
    subcategories: NotRequired[Names]
    products: NotRequired[dict[Text, Count]]
    vocabulary: NotRequired[_Vocabulary | None]
    catalog: NotRequired[_Catalog]
    config: NotRequired[dict[Text, Any]]
    alignment: NotRequired[dict[Text, Any]]


def kind_of(metadata: Mapping) -> str:
    """Tells which kind of records the metadata describes."""
    return metadata.get("kind", PHOTOS)


def grid_of(metadata: Mapping) -> Grid:
    """Tells by which grid the products of photo records were cut."""
    return metadata.get("config", {}).get("grid", "kaleido")


def read_description(directory: Path) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Reads the description of the records in a folder.

    It does not use `tfds.builder_from_directory`, which imports whatever modules the files name.

    Returns:
        The metadata, and the number of records in each file of each split.

    Raises:
        UserError: if there are none, they are of another version, or a description is damaged.
    """
    if not (directory / "dataset_info.json").is_file():
        if partial_directory(directory).exists():
            raise UserError(f"{directory}: its preparation was interrupted; run the same prepare command to go on")
        raise UserError(f"{directory}: no prepared records here; run `kaleido prepare` first")
    info = read_json(directory / "dataset_info.json", advice=AGAIN)
    metadata = read_json(directory / "metadata.json", advice=AGAIN)
    expected = {"name": NAME, "version": VERSION}
    found = {key: info.get(key) for key in expected}
    if found != expected:
        raise UserError(
            f"{directory}: these records are of another version; prepare the catalogue again. "
            f"Received: {' '.join(map(str, found.values())):.100}, expected {' '.join(expected.values())}"
        )
    checked(_Info, info, directory / "dataset_info.json", AGAIN)
    checked(_Metadata, metadata, directory / "metadata.json", AGAIN)
    if kind_of(metadata) == PHOTOS:
        checked(PrepareConfig, metadata.get("config", {}), f"{directory / 'metadata.json'}: config", AGAIN)
    if vocabulary := metadata.get("vocabulary"):  # records made to measure with have none
        path = inner_file(directory, vocabulary["file"])
        if file_sha256(path, MAX_FILE) != vocabulary["sha256"]:
            raise UserError(f"{path} was altered: its checksum is another one; {AGAIN}")
    return metadata, {entry["name"]: [int(n) for n in entry["shardLengths"]] for entry in info["splits"]}
