"""Evaluation of a saved model, whatever its task."""

import os
from pathlib import Path
from typing import Literal

from kaleido import configuration
from kaleido.app.model_folder import read_model_config
from kaleido.app.registry import find_task
from kaleido.app.result import Result
from kaleido.retrieval.config import RetrieveConfig


def evaluate_model(
    model: str | os.PathLike[str],
    records: str | os.PathLike[str],
    split: Literal["validation", "test", "train"] | None = None,
    protocol: Literal["random100", "fixed", "full"] | None = None,
    batch_size: int | None = None,
) -> Result:
    """Evaluates a saved model on records that were prepared like those of its training.

    Args:
        model: Folder of the model.
        records: Folder of the records.
        split: Split to evaluate on; by default the one that its training reported on, or `test` of a protocol.
        protocol: Retrieval protocol to rank candidates by; by default the metrics of the model's own task are computed.
        batch_size: Examples a step; by default that of its training.

    Raises:
        UserError: if the model and the records do not fit.
    """
    given = {name: value for name, value in (("split", split), ("batch_size", batch_size)) if value is not None}
    if protocol:
        from kaleido.retrieval.run import retrieve

        values = {"model": model, "records": records, "out": model, "protocol": protocol, **given}
        return retrieve(configuration.build(RetrieveConfig, values))
    application = find_task(read_model_config(Path(model))["task"]).application
    return application.of_model(Path(model), Path(records), **given).evaluate()
