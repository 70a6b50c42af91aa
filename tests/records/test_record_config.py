import pytest

from kaleido.errors import UserError
from kaleido.records.config import PipelineConfig, PrepareConfig


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (PrepareConfig, {"validation_fraction": 0.6, "test_fraction": 0.4}),
        (PrepareConfig, {"test_fraction": -0.1}),
        (PrepareConfig, {"shard_photos": 0}),
        (PipelineConfig, {"mask_probability": 1.5}),
        (PipelineConfig, {"max_text_length": 2}),
        (PipelineConfig, {"workers": 0}),
        (PipelineConfig, {"workers": -1}),
    ],
)
def test_values_out_of_range_are_named(kind, values):
    with pytest.raises(UserError, match=f"{next(reversed(values))}.*Received"):
        kind(**values)
