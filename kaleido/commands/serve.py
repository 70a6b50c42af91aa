"""`kaleido serve`: search page and HTTP server over an index or a model."""

from kaleido.commands.command import Command
from kaleido.serve.config import ServeConfig


def serve(config: ServeConfig) -> None:
    """Serves a search page and an HTTP interface over an index, or the HTTP interface of a model."""
    from kaleido.serve import run

    run.serve(config)


COMMAND = Command(serve, ServeConfig)
