"""The handle on a folder of records."""

import numpy as np
import pytest

from kaleido.errors import UserError
from kaleido.records.folder import Records
from kaleido.records.reader import PhotoRecords


def test_a_handle_tells_what_a_folder_holds(synthetic):
    records = Records(synthetic)
    assert records.splits == {"train": 50, "validation": 21}
    assert len(records) == 71
    assert records.metadata["feature_size"] == 6
    assert records.kind == "photos"
    assert Records.of(records) is records
    assert Records.of(str(synthetic)).directory == synthetic
    assert "50 train, 21 validation" in repr(records)


def test_a_handle_opens_its_splits(synthetic):
    opened = Records(synthetic).open("validation")
    assert isinstance(opened, PhotoRecords)
    np.testing.assert_array_equal(opened.read(np.array([3]))[0].shape, (1, 74, 6))
    with pytest.raises(UserError, match="no test records here"):
        Records(synthetic).open("test")


def test_a_folder_without_records_is_named(tmp_path):
    with pytest.raises(UserError, match="no prepared records here"):
        Records(tmp_path)
