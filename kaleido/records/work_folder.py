"""The folder of an unfinished preparation, and the check of what may be added to it."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NotRequired

from typing_extensions import TypedDict

from kaleido import untrusted
from kaleido.atomic import flush, refusals_named
from kaleido.checksums import file_sha256
from kaleido.errors import UserError
from kaleido.records.builder import make_work_folder
from kaleido.records.place import FORMAT
from kaleido.text import Tokenizer, load_tokenizer
from kaleido.untrusted import Count, InnerName, Sha256

_BEGUN_FILE = "begun.json"
_NAME = 16
"""Letters of a work folder's name, which set it apart from the temporary folders of other processes."""


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """A folder for files of records that are made in the same way.

    Attributes:
        path: The folder, whose name is a checksum of all that its files depend on. So processes that begin at the same
            time write the same into the same folder, and files made otherwise never get among them, not even by
            copying.
        tokenizer: Tokenizer of the texts.
        vocabulary: Name, size and sha256 of its file.
    """

    path: Path
    tokenizer: Tokenizer
    vocabulary: dict[str, Any]

    @classmethod
    def begin(
        cls, partial: Path, plan: Mapping[str, Any], create: Callable[[], Tokenizer], overwrite: bool
    ) -> "WorkFolder":
        """Finds the work folder that an interrupted run, or another process, left in `partial`, or makes one.

        Args:
            partial: Folder of work folders; those without a finished file of records can be ignored.
            plan: Everything that the files depend on, apart from the vocabulary.
            create: Function that makes the tokenizer; the same every time.
            overwrite: Whether files that were made otherwise are removed.

        Raises:
            UserError: if there are files that were made otherwise, or the disk refuses.
        """
        begun = {file.parent: read_json(file) for file in sorted(partial.glob(f"{'?' * _NAME}/{_BEGUN_FILE}"))}
        with_files = [path for path in begun if any((path / "records").glob(f"*.{FORMAT}*"))]
        ours = [path for path in (*with_files, *begun) if _is_begun(path, begun[path], plan)][:1]
        wanted = begun[ours[0]] if ours else plan
        for path in with_files:
            if overwrite and differences(begun[path], wanted):
                shutil.rmtree(path)
            else:
                check_same(path, begun[path], wanted)
        with refusals_named(partial):
            if not ours:
                return cls._new(partial, plan, create())
            make_work_folder(ours[0])
        vocabulary = wanted["vocabulary"]
        return cls(ours[0], load_tokenizer(ours[0] / "records" / vocabulary["file"]), vocabulary)

    @classmethod
    def _new(cls, partial: Path, plan: Mapping[str, Any], tokenizer: Tokenizer) -> "WorkFolder":
        partial.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=partial, ignore_cleanup_errors=True) as temporary:
            file = tokenizer.save(Path(temporary))
            vocabulary = {"file": file.name, "size": tokenizer.vocab_size, "sha256": file_sha256(file)}
            begun = Path(temporary, _BEGUN_FILE)
            begun.write_text(json.dumps({**plan, "vocabulary": vocabulary}), encoding="utf-8")
            path = partial / file_sha256(begun)[:_NAME]
            make_work_folder(path)
            # Last the file without which the others do not count.
            for source, target in ((file, path / "records"), (begun, path)):
                flush(source)
                source.replace(target / source.name)
        return cls(path, tokenizer, vocabulary)


def check_same(directory: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises a UserError that names what differs between what is there and what is wanted."""
    if different := differences(found, wanted):
        raise UserError(
            f"{directory}: holds records made otherwise; name another folder, delete this one, or replace them with "
            f"--overwrite true. Received: {'; '.join(different)}"
        )


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Lists the differences in the sections of `wanted`, in words."""
    there, here = _flat({section: found.get(section) for section in wanted}), _flat(wanted)
    return [
        f"{key} {there.get(key)!r}, now {here.get(key)!r}"
        for key in dict.fromkeys([*here, *there])
        if there.get(key) != here.get(key)
    ]


def read_json(path: Path) -> dict[str, Any]:
    """Reads the description that a preparation wrote.

    Raises:
        UserError: if it is damaged.
    """
    return untrusted.read_json(path, _Description, f"delete {path.parent} and prepare again")


def _is_begun(path: Path, found: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """Tells whether a work folder is of this plan and has its vocabulary, which an incomplete copy can lack."""
    if "vocabulary" not in found:
        return False
    vocabulary = path / "records" / found["vocabulary"]["file"]
    return (
        not differences(found, plan)
        and vocabulary.is_file()
        and file_sha256(vocabulary) == found["vocabulary"]["sha256"]
    )


class _Vocabulary(TypedDict):
    file: InnerName
    size: Count
    sha256: Sha256


class _Description(TypedDict):
    vocabulary: NotRequired[_Vocabulary]


def _flat(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Flattens sections: keys of the configuration as users know them, the others with their section's name."""
    flat = {}
    for section, value in sections.items():
        prefix = "" if section == "config" else f"{section} "
        flat |= {f"{prefix}{key}": v for key, v in value.items()} if isinstance(value, dict) else {section: value}
    return flat
