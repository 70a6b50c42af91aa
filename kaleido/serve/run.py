"""Starts the server and ends it."""

import logging
import os
import socket
import sys
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from kaleido.errors import UserError
from kaleido.network_folder import is_network_folder
from kaleido.pretrained.hub import list_models, load
from kaleido.search.index import Index
from kaleido.serve.app import create_app
from kaleido.serve.config import TOKEN_VARIABLE, ServeConfig
from kaleido.serve.engine import Engine
from kaleido.serve.guard import is_loopback
from kaleido.serve.metrics import Metrics

_HEADERS_SECONDS = 15.0
"""Seconds until the first request on a connection has sent its headers."""

_KEEP_ALIVE = 30
"""Seconds that a connection is kept without a request."""

_WAITING_CONNECTIONS = 512


class _Protocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
    """Closes connections on which nothing is asked."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.loop.call_later(_HEADERS_SECONDS, self._close_unless_asked)

    def _close_unless_asked(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def serve(config: ServeConfig) -> None:
    """Serves an index or a model until SIGTERM or Ctrl-C, and finishes the requests that have begun.

    Raises:
        UserError: if the address cannot be used, or there is no such index or model.
    """
    config = replace(config, token=config.token or os.environ.get(TOKEN_VARIABLE) or None)
    with listening_socket(config.host, config.port) as listener:
        metrics = Metrics()
        engine = open_engine(config, metrics)
        engine.warm_up()
        # Of texts that are longer than the model reads; the page's description of the limit says it.
        warnings.filterwarnings("ignore", "texts cut")
        name = Path(config.source.rstrip("/")).name
        app = create_app(engine, config, metrics, name)
        listener.listen(_WAITING_CONNECTIONS)
        for line in _told(config, engine, listener):
            print(line, flush=True)
        logging.basicConfig(format="kaleido serve: %(message)s", stream=sys.stderr, level=logging.WARNING)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=round(config.timeout) + 1,
            )
        )
        # The signal that ends the server is sent again by it, after the last answer.
        with suppress(KeyboardInterrupt):
            server.run([listener])
    print("stopped", flush=True)


def open_engine(config: ServeConfig, metrics: Metrics) -> Engine:
    """Opens what is served: the index with its model, or a model, and the further models."""
    index = None
    if is_model(config.source):
        for option in ("model", "matcher"):
            if given := getattr(config, option):
                raise UserError(f"--{option} goes with an index. Received: {given}, and the model {config.source}")
        model = load(config.source)
    else:
        index = Index.open(config.source, config.model, config.matcher)
        model = index.model
    classifiers = [load(place) for place in config.classifier]
    captioner = load(config.captioner) if config.captioner else None
    for place, classifier in zip(config.classifier, classifiers):
        if not classifier.labels:
            raise UserError(
                f"{place}: this model of the task {classifier.task} predicts no labels; --classifier needs one"
            )
    engine = Engine(config, model, index, classifiers, captioner, metrics.observe_batch)
    if config.matcher and not engine.can["match"]:
        raise UserError(f"{config.matcher}: this model has no matching head; --matcher needs one")
    if captioner and not engine.can["caption"]:
        raise UserError(f"{config.captioner}: this model of the task {captioner.task} writes no captions")
    return engine


def is_model(source: str) -> bool:
    """Tells whether a place holds a model and no index: a model folder, a run, a known name, or an address of HTTP."""
    path = Path(source)
    known = source.startswith(("http://", "https://")) or source in list_models()
    return known or is_network_folder(path) or is_network_folder(path / "model")


def listening_socket(host: str, port: int) -> socket.socket:
    """Takes an address before anything is loaded; connections are refused until `listen` is called.

    Raises:
        UserError: if it cannot be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listener = socket.socket(*found[0][:3])  # with the protocol, without which asyncio leaves Nagle on
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(found[0][4])
        except BaseException:
            listener.close()
            raise
    except (OSError, UnicodeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise UserError(f"cannot listen on {host}:{port}: {reason}; choose another by --host and --port") from None
    return listener


def _told(config: ServeConfig, engine: Engine, listener: socket.socket) -> list[str]:
    """Makes the lines that are printed at the start."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    products = (
        f"{len(engine.index):,} products" if engine.index is not None else f"a model of the task {engine.model.task}"
    )
    lines = [f"{config.source}: {products} at http://{shown}:{port}/ (API: /docs); Ctrl-C stops"]
    if not is_loopback(host) and not config.token:
        lines.append("warning: other machines can reach this server and need no token; --token sets one")
    return lines
