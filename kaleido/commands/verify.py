"""`kaleido verify`: the checksums of records."""

from dataclasses import dataclass, field

from kaleido.commands.command import Command
from kaleido.configuration import POSITIONAL


@dataclass(frozen=True)
class Verify:
    """The records to verify.

    Args:
        records: Folder of the records.
    """

    records: str = field(metadata=POSITIONAL)


def verify(config: Verify) -> None:
    """Reads all files of records and compares their checksums; names the first damaged record."""
    from kaleido.records.folder import Records

    records = Records(config.records)
    records.verify()
    print(f"{records.directory}: {len(records):,} records are intact")


COMMAND = Command(verify, Verify, backend=False)
