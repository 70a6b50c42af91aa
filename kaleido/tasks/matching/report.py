"""The result of training on pairs of texts and photos; `retrieve` ranks."""

from collections.abc import Mapping

from kaleido.app.result import Result


def pair_result(
    metrics: Mapping[str, float], title: str, count_title: str, count: int, task: str, after: str
) -> Result:
    """Shows loss and accuracy on pairs.

    Args:
        metrics: Metrics by tag.
        title: First cell of the table.
        count_title: Header of the count.
        count: Number of texts that a pair was compared with.
        task: Name in the tags, for example `itm`.
        after: Sentence below the table.
    """
    return Result(
        metrics,
        f"| {title} | {count_title} | loss | accuracy |\n|---|---:|---:|---:|\n"
        f"| | {count} | {metrics[f'loss/{task}']:.3f} | {metrics[f'accuracy/{task}']:.3f} |\n{after}",
    )
