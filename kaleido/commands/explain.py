"""`python -m kaleido explain`: one product on its whole way, as a picture and a page."""

from pathlib import Path

from kaleido import configuration
from kaleido.alignment.explain_config import ExplainConfig
from kaleido.backend import import_backend


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    if argv and not argv[0].startswith("-"):
        argv = ["--product", argv[0], *argv[1:]]
    config = configuration.parse(
        ExplainConfig,
        argv,
        "python -m kaleido explain",
        "Shows a product's photo, patches, caption, aligned words, and one draw of what the model gets.",
    )
    import_backend()
    from kaleido.alignment.explanation import explain
    from kaleido.alignment.explanation_page import write_explanation

    picture, page = write_explanation(explain(config), Path(config.output))
    print(f"{picture} and {page}")
    return 0
