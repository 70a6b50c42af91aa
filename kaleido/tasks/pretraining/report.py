"""Report of the seven pre-training tasks."""

from collections.abc import Mapping

from kaleido.constants import CLASSES, EVERY_TASK

CHANCE = {task: 1 / classes for task, classes in CLASSES.items()}


def pretraining_table(metrics: Mapping[str, float]) -> str:
    """Makes a Markdown table of loss and accuracy by task.

    Args:
        metrics: Metrics by tag: `loss/total`, `loss/TASK` and `accuracy/TASK`.
    """
    rows = ["| task | accuracy | chance | loss |", "|---|---:|---:|---:|"]
    for task in EVERY_TASK:
        if f"loss/{task}" not in metrics:
            continue
        accuracy = metrics.get(f"accuracy/{task}")
        rows.append(
            f"| {task} | {'' if accuracy is None else f'{accuracy:.3f}'} | "
            f"{f'{CHANCE[task]:.3f}' if task in CHANCE else ''} | {metrics[f'loss/{task}']:.3f} |"
        )
    rows.append(f"| total | | | {metrics['loss/total']:.3f} |")
    return "\n".join(rows)
