"""Evaluation of a saved model on records, by its own task or by a retrieval protocol."""

import os
from collections.abc import Mapping
from typing import Any, Literal

from kaleido import configuration
from kaleido.app.model_folder import read_model_config
from kaleido.app.registry import find_task
from kaleido.app.result import Result
from kaleido.backend import precision
from kaleido.pretrained.hub import find_model
from kaleido.pretrained.model import Model
from kaleido.progress import progress_bars
from kaleido.records.folder import Records
from kaleido.retrieval.config import RetrieveConfig
from kaleido.retrieval.run import retrieve

PathName = str | os.PathLike[str]


def evaluate(
    model: "PathName | Model",
    records: "PathName | Records",
    *,
    split: Literal["validation", "test", "train"] | None = None,
    protocol: Literal["random100", "fixed", "full", "kagl"] | None = None,
    out: "PathName | None" = None,
    progress: bool = True,
    options: Mapping[str, Any] | None = None,
    **values: Any,
) -> dict[str, Any]:
    """Evaluates a model on held-out products.

    Args:
        model: Model, or what `load` takes for it.
        records: Records that were prepared like those of its training.
        split: `test`, `validation` or `train`; by default the one that its training reported on, and `test` of a
            protocol.
        protocol: Retrieval protocol: `random100`, `fixed`, `full`, or `kagl` with `queries`, a file. By default models
            that only match are evaluated by `random100`, and others by the metrics of their task.
        out: Folder for the metrics and what belongs to them; None writes nothing.
        progress: Whether progress bars are drawn.
        options: Keys by dotted name: `{"caption_config.beams": 2}`.
        values: Keys of `evaluate_config` and the task's sections, or with a protocol those of the command `retrieve`:
            `batch_size`, `direction`, `shortlist`, ...

    Returns:
        Metrics by name.

    Raises:
        UserError: if the records are of another backbone or vocabulary, or an option cannot be used.
    """
    result = evaluation_result(model, records, split, protocol, progress, {**(options or {}), **values})
    if out is not None:
        result.write(out)
    return dict(result.metrics)


def evaluation_result(
    model: "PathName | Model",
    records: "PathName | Records",
    split: Literal["validation", "test", "train"] | None = None,
    protocol: Literal["random100", "fixed", "full", "kagl"] | None = None,
    progress: bool = True,
    options: Mapping[str, Any] | None = None,
) -> Result:
    """Evaluates a saved model; arguments as of `evaluate`.

    Returns:
        Metrics, the table that commands print, and the files.

    Raises:
        UserError: as `evaluate` does.
    """
    directory = model.directory if isinstance(model, Model) else find_model(model)
    folder = Records.of(records).directory
    application = find_task(read_model_config(directory)["task"]).application
    ranking = protocol or application.protocol
    chosen = {name: value for name, value in {"split": split, **(options or {})}.items() if value is not None}
    with progress_bars(progress), precision(None):
        if ranking:
            values = {"model": directory, "records": folder, "out": directory, "protocol": ranking, **chosen}
            return retrieve(configuration.build(RetrieveConfig, values))
        return application.of_model(directory, folder, **chosen).evaluate()
