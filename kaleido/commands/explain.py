"""`kaleido explain`: one product on its whole way, as a picture and a page."""

from kaleido.alignment.config import ExplainConfig
from kaleido.commands.command import Command


def explain(config: ExplainConfig) -> None:
    """Shows a product's photo, patches, caption, aligned words, and one draw of what the model gets."""
    from kaleido.alignment import explanation

    found = explanation.explain(
        config.records,
        config.product,
        catalog=config.catalog,
        config=config.preprocess_config,
        seed=config.seed,
        epoch=config.epoch,
    )
    picture, page = found.write(config.out)
    print(f"{picture} and {page}")


COMMAND = Command(explain, ExplainConfig)
