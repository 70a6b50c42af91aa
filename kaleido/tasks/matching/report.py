"""Report of training on pairs of texts and photos; `retrieve` reports ranks."""

from collections.abc import Mapping

from kaleido.app.result import Result


def pair_result(
    metrics: Mapping[str, float], title: str, count_title: str, count: int, task: str, after: str
) -> Result:
    """Makes the result of loss and accuracy on pairs.

    Args:
        metrics: Metrics by tag.
        title: First cell of the table.
        count_title: Header of the count.
        count: Number of negatives per positive, or of texts per photo.
        task: Name of the task in the tags, for example `itm`.
        after: Sentence below the table that names the next step.
    """
    return Result(
        metrics,
        f"| {title} | {count_title} | loss | accuracy |\n|---|---:|---:|---:|\n"
        f"| | {count} | {metrics[f'loss/{task}']:.3f} | {metrics[f'accuracy/{task}']:.3f} |\n{after}",
    )
