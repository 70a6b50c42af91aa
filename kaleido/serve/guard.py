"""Checks before every request (token, host name, size, time), and counts after it."""

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from kaleido.serve.config import ServeConfig
from kaleido.serve.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

RETRY_AFTER = "1"
"""Seconds after which a client that was turned away should ask again."""

CLOSE = {"Connection": "close"}
"""Closes the connection after the answer, so that what is left of the body is not read."""

_READ_ON = 10
"""Bodies of up to so many times the limit are read and dropped: many clients see an answer only after sending."""

PROTECTED = ("/api/", "/metrics")
"""Beginnings of the paths that need the token; the page, its files and the description of the API hold no data."""

_LOCAL = ("localhost", "127.0.0.1", "::1")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware around the whole application.

    - A server on a loopback address answers to local names (and those of `names`) alone, so that a web page elsewhere
      cannot reach it by a name that it lets point here.
    - The token is compared in constant time.
    - A body beyond the limit is refused as soon as this is known, and one that is late ends in 408.
    - Every answer has the headers that tell a browser to load nothing from elsewhere.

    Args:
        app: The application.
        config: Host, token and limits.
        metrics: Counts the requests.
    """

    def __init__(self, app: Any, config: ServeConfig, metrics: Metrics):
        self._app = app
        self._metrics = metrics
        self._token = config.token and config.token.encode()
        self._most = round(config.max_upload_mb * 1e6)
        self._seconds = config.timeout
        self._names = {*_LOCAL, *map(str.lower, config.names)} if is_loopback(config.host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name.lower().encode(), value.encode()) for name, value in _HEADERS.items()),
                ]
            await send(message)

        body = _Body(receive, self._most)
        try:
            async with asyncio.timeout(self._seconds):
                if refusal := self._refusal(scope, dict(scope["headers"])):
                    await refusal(scope, receive, answer)
                else:
                    await self._app(scope, body.receive, answer)
        except TimeoutError:
            if not status:
                late = error(429, f"the server is busy: there was no answer within {self._seconds:g} seconds")
                if not body.complete:
                    late = error(408, f"the request was not complete after {self._seconds:g} seconds")
                await late(scope, receive, answer)
        finally:
            path = getattr(scope.get("route"), "path", "other")
            self._metrics.observe_request(path, scope["method"], status or 500, time.perf_counter() - started)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> JSONResponse | None:
        if self._names is not None:
            host = _host_name(headers.get(b"host", b"").decode("latin-1"))
            if host not in self._names:
                known = ", ".join(sorted(self._names))
                return error(421, f"this server answers to {known}; start it with --names {host[:100] or 'NAME'}")
        if self._token and scope["path"].startswith(PROTECTED):
            kind, _, given = headers.get(b"authorization", b"").partition(b" ")
            if kind.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
                return error(401, "a token is needed: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return error(400, "the header Content-Length is not a number")
        size = int(length[:20])
        if size > self._most:
            return error(413, too_large(self._most), {} if size <= _READ_ON * self._most else CLOSE)
        return None


class _Body:
    """A request's body, as long as it is not too long.

    Attributes:
        complete: Whether it has come whole.
    """

    def __init__(self, receive: Receive, most: int):
        self.complete = False
        self._receive, self._most, self._seen = receive, most, 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        self.complete |= message["type"] != "http.request" or not message.get("more_body")
        if self._seen > self._most:
            raise HTTPException(413, too_large(self._most), CLOSE)
        return message


def too_large(most: int) -> str:
    """Says that a request is too long."""
    return f"the request is too large: at most {most:,} bytes are taken"


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Makes the answer of a request that cannot be done."""
    sent = dict(headers or {})
    if status == 429:
        sent["Retry-After"] = RETRY_AFTER
    if status == 408:
        sent |= CLOSE
    return JSONResponse({"error": " ".join(message.split())}, status, sent)


def is_loopback(host: str) -> bool:
    """Tells whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _host_name(value: str) -> str:
    """Returns the name in a Host header, without the port and the brackets of an IPv6 address."""
    name = value.partition("]")[0].removeprefix("[") if value.startswith("[") else value.partition(":")[0]
    return name.lower()
