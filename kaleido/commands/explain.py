"""`kaleido explain`: one product on its whole way, as a picture and a page."""

from pathlib import Path

from kaleido.alignment.explain_config import ExplainConfig
from kaleido.commands.command import Command


def explain(config: ExplainConfig) -> None:
    """Shows a product's photo, patches, caption, aligned words, and one draw of what the model gets."""
    from kaleido.alignment import explanation
    from kaleido.alignment.explanation_page import write_explanation

    picture, page = write_explanation(explanation.explain(config), Path(config.out))
    print(f"{picture} and {page}")


COMMAND = Command(explain, ExplainConfig)
