"""What fine-tuning for retrieval came to, by pairs; `retrieve` ranks."""

import json

from kaleido.app.matching import Matching


def write_matching(application: Matching, split: str) -> str:
    """The figures that the last evaluation left in `metrics.json`, in Markdown; of the saved model if there are none.

    Args:
        application: Whose run has a saved model.
        split: Of its records.
    """
    if not application.metrics_path.is_file() or application.config.mode == "evaluate":
        application.run_evaluate()
    metrics = json.loads(application.metrics_path.read_text(encoding="utf-8"))["metrics"]
    negatives = application.config.retrieval_config.negatives
    return (
        f"| matching, {split} | negatives a positive | loss | accuracy |\n|---|---:|---:|---:|\n"
        f"| | {negatives} | {metrics['loss/itm']:.3f} | {metrics['accuracy/itm']:.3f} |\n"
        f"python -m kaleido retrieve --model {application.directory / 'model'} ... ranks by it"
    )
