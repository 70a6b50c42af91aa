"""What fine-tuning for retrieval came to; `retrieve` ranks."""

import json

from kaleido.app.records_application import RecordsApplication
from kaleido.tasks.matching.application import Matching
from kaleido.tasks.matching.contrastive import TASK, Contrastive


def write_matching(application: Matching, split: str) -> str:
    """Loss and accuracy on pairs, in Markdown.

    Args:
        application: Whose run has a saved model.
        split: Of its records.
    """
    negatives = application.config.retrieval_config.negatives
    after = f"python -m kaleido retrieve --model {application.directory / 'model'} ... ranks by it"
    return _table(application, f"matching, {split}", "negatives a positive", negatives, "itm") + after


def write_towers(application: Contrastive, split: str) -> str:
    """How often a photo finds its text within a batch, in Markdown.

    Args:
        application: Whose run has a saved model.
        split: Of its records.
    """
    model = application.directory / "model"
    after = f"python -m kaleido finetune --task retrieval --retrieval_config.towers {model} ... goes on from it"
    rows = application.config.evaluate_config.batch_size
    return _table(application, f"towers, {split}", "texts to choose from", rows, TASK) + after


def _table(application: RecordsApplication, title: str, count_title: str, count: int, task: str) -> str:
    metrics = _last_metrics(application)
    return (
        f"| {title} | {count_title} | loss | accuracy |\n|---|---:|---:|---:|\n"
        f"| | {count} | {metrics[f'loss/{task}']:.3f} | {metrics[f'accuracy/{task}']:.3f} |\n"
    )


def _last_metrics(application: RecordsApplication) -> dict[str, float]:
    """What the last evaluation left in `metrics.json`; of the saved model if there is none."""
    if not application.metrics_path.is_file() or application.config.mode == "evaluate":
        application.run_evaluate()
    return json.loads(application.metrics_path.read_text(encoding="utf-8"))["metrics"]
