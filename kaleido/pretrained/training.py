"""Training from Python: the same runs as those of the commands `pretrain` and `finetune`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kaleido import configuration
from kaleido.app.config import PretrainConfig
from kaleido.app.finetune_config import finetune_config_class
from kaleido.app.registry import find_task
from kaleido.backend import precision
from kaleido.errors import UserError
from kaleido.pretrained.hub import find_model, load
from kaleido.pretrained.model import Model
from kaleido.progress import progress_bars
from kaleido.records.folder import Records

PathName = str | os.PathLike[str]


def pretrain(
    records: "PathName | Records",
    out: "PathName",
    *,
    config: "PathName | Sequence[PathName] | None" = None,
    progress: bool = True,
    options: Mapping[str, Any] | None = None,
    **values: Any,
) -> Model:
    """Pre-trains a model, or goes on with a run that was interrupted, or finds it finished.

    Args:
        records: Records that `prepare` made.
        out: Folder of the run: model, checkpoints, curves, metrics.
        config: YAML files, or names of ready configurations such as `pretrain_small`; later ones win.
        progress: Whether progress bars are drawn.
        options: Keys of the configuration by dotted name, as on the command line:
            `{"train_config.optimizer_config.beta_2": 0.98}`.
        values: Keys or aliases of the configuration: `size`, `steps`, `epochs`, `batch_size`, `lr`, `seed`,
            `precision`, `text_length`, ...

    Returns:
        The trained model, with the metrics of its evaluation in `result`.

    Raises:
        UserError: if an option cannot be used, or the folder holds another run.
    """
    return _train(
        PretrainConfig, {"records": Records.of(records).directory, "out": out}, config, progress, options, values
    )


def finetune(
    records: "PathName | Records",
    task: str,
    out: "PathName",
    *,
    model: "PathName | Model | None" = None,
    config: "PathName | Sequence[PathName] | None" = None,
    progress: bool = True,
    options: Mapping[str, Any] | None = None,
    **values: Any,
) -> Model:
    """Fine-tunes a pre-trained model for a task, or goes on with a run that was interrupted, or finds it finished.

    Args:
        records: Records that were prepared like those of the model.
        task: Name of a task: `category`, `subcategory`, `attribute`, `retrieval`, `contrastive`, `caption`, or of one
            that was registered.
        out: Folder of the run: model, checkpoints, curves, metrics, report.
        model: Pre-trained model to start from, or what `load` takes for it; None trains from scratch.
        config: YAML files, or names of ready configurations; later ones win.
        progress: Whether progress bars are drawn.
        options: Keys of the configuration by dotted name: `{"recognition_config.column": "colour"}`.
        values: Keys or aliases of the configuration: `steps`, `epochs`, `batch_size`, `lr`, `seed`, `text_length`, ...

    Returns:
        The trained model, with the metrics of its evaluation in `result`.

    Raises:
        UserError: if there is no such task, an option cannot be used, or the folder holds another run.
    """
    given = {"records": Records.of(records).directory, "task": task, "out": out}
    if model is not None:
        given["model"] = model.directory if isinstance(model, Model) else find_model(model)
    return _train(finetune_config_class(), given, config, progress, options, values)


def _train(
    kind: type,
    given: Mapping[str, Any],
    files: PathName | Sequence[PathName] | None,
    progress: bool,
    options: Mapping[str, Any] | None,
    values: Mapping[str, Any],
) -> Model:
    files = [files] if isinstance(files, str | os.PathLike) else files or []
    merged: dict[str, Any] = {}
    for part in (given, options or {}, values):
        if twice := merged.keys() & part.keys():
            raise UserError(f"{min(twice)} is given twice")
        merged |= part
    built: Any = configuration.build(kind, merged, [os.fspath(file) for file in files])
    with progress_bars(progress), precision(None):
        result = find_task(built.task).application(built).run()
    trained = load(Path(built.out) / "model")
    trained.result = result.metrics if result else None
    return trained
