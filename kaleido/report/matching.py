"""What fine-tuning for retrieval came to; `retrieve` ranks."""

import json

from kaleido.app.base import RecordsApplication
from kaleido.app.contrastive import TASK, Contrastive
from kaleido.app.matching import Matching


def write_matching(application: Matching, split: str) -> str:
    """Loss and accuracy on pairs, in Markdown.

    Args:
        application: Whose run has a saved model.
        split: Of its records.
    """
    metrics = _last_metrics(application)
    negatives = application.config.retrieval_config.negatives
    return (
        f"| matching, {split} | negatives a positive | loss | accuracy |\n|---|---:|---:|---:|\n"
        f"| | {negatives} | {metrics['loss/itm']:.3f} | {metrics['accuracy/itm']:.3f} |\n"
        f"python -m kaleido retrieve --model {application.directory / 'model'} ... ranks by it"
    )


def write_towers(application: Contrastive, split: str) -> str:
    """How often a photo finds its text within a batch, in Markdown.

    Args:
        application: Whose run has a saved model.
        split: Of its records.
    """
    metrics = _last_metrics(application)
    rows = application.config.evaluate_config.batch_size
    return (
        f"| towers, {split} | texts to choose from | loss | accuracy |\n|---|---:|---:|---:|\n"
        f"| | {rows} | {metrics[f'loss/{TASK}']:.3f} | {metrics[f'accuracy/{TASK}']:.3f} |\n"
        f"python -m kaleido finetune --task retrieval --retrieval_config.towers {application.directory / 'model'} ... "
        "goes on from it"
    )


def _last_metrics(application: RecordsApplication) -> dict[str, float]:
    """What the last evaluation left in `metrics.json`; of the saved model if there is none."""
    if not application.metrics_path.is_file() or application.config.mode == "evaluate":
        application.run_evaluate()
    return json.loads(application.metrics_path.read_text(encoding="utf-8"))["metrics"]
