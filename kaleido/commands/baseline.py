"""`kaleido baseline`: plain models on the same records and by the same protocols."""

from kaleido.commands.command import Command
from kaleido.tasks.baselines.config import RecognitionBaselineConfig, RetrievalBaselineConfig


def retrieval(config: RetrievalBaselineConfig) -> None:
    """Trains a two-tower model on features of whole photos and bags of words, and ranks candidates by it."""
    from kaleido.tasks.baselines.retrieval import retrieval_baseline

    result = retrieval_baseline(config)
    result.write(config.out)
    print(f"{result.table}\nthe model, metrics and scores are in {config.out}: model, {', '.join(result.files)}")


def recognition(config: RecognitionBaselineConfig) -> None:
    """Recognises a label by logistic regression on the features of whole photos."""
    from kaleido.tasks.baselines.recognition import recognition_baseline

    result = recognition_baseline(config)
    result.write(config.out)
    print(result.table)


COMMAND = {
    "retrieval": Command(retrieval, RetrievalBaselineConfig),
    "recognition": Command(recognition, RecognitionBaselineConfig),
}
