"""`kaleido retrieve`: texts for photos and photos for texts."""

from dataclasses import replace

from kaleido.commands.command import Command
from kaleido.retrieval.config import RetrieveConfig


def retrieve(config: RetrieveConfig) -> None:
    """Ranks candidates by a saved model: texts for a photo, photos for a text."""
    from kaleido.pretrained.hub import find_model
    from kaleido.retrieval import run

    result = run.retrieve(replace(config, model=str(find_model(config.model))))
    result.write(config.out)
    print(f"{result.table}\nmetrics and scores are in {config.out}: {', '.join(result.files)}")


COMMAND = Command(retrieve, RetrieveConfig)
