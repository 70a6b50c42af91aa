"""`kaleido evaluate`: a saved model of any task on held-out products."""

from dataclasses import dataclass
from typing import Literal

from kaleido.commands.command import Command
from kaleido.ranges import check_range


@dataclass(frozen=True)
class Evaluate:
    """The model to evaluate.

    Args:
        model: Folder of a saved model, the `model` folder of a run; or its address or name.
        records: Folder that `prepare` wrote, prepared like the records that the model was trained on.
        split: Split to evaluate on; null is the split that its training reported on, or `test` of a protocol.
        protocol: Retrieval protocol to rank candidates by, as `retrieve` does; null is
            random100 for models that only match, and the metrics of the model's task for others.
        queries: File of the text queries of protocol `kagl` and their right products: {query: {product id: 1}}.
        distractors: Another split whose products compete in protocol `full`, in rows of their own.
        batch_size: Examples a step; null is that of the training.
        language: Language by which the metrics of captions divide them: en, de, zh and so on; null is that of the
            training, which by default tells Chinese and Japanese by their script.
        out: Folder to write metrics and predictions to; null only prints.
        escape_formulas: Put an apostrophe before texts in CSV files that a spreadsheet could run as formulas.
    """

    model: str
    records: str
    split: Literal["validation", "test", "train"] | None = None
    protocol: Literal["random100", "fixed", "full", "kagl"] | None = None
    queries: str | None = None
    distractors: Literal["validation", "test", "train"] | None = None
    batch_size: int | None = None
    language: str | None = None
    out: str | None = None
    escape_formulas: bool = True

    def __post_init__(self):
        check_range(self, "[1, 1_000_000]", "batch_size")


def evaluate(config: Evaluate) -> None:
    """Evaluates a saved model, whatever its task, on held-out products."""
    from kaleido.pretrained.evaluation import evaluation_result

    options = {name: getattr(config, name) for name in ("batch_size", "language", "queries", "distractors")}
    result = evaluation_result(config.model, config.records, config.split, config.protocol, options=options)
    print(result.table)
    if config.out:
        result.write(config.out)
        print(f"written to {config.out}: {', '.join(result.files)}")


COMMAND = Command(evaluate, Evaluate)
