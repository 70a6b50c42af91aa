"""HTTP server with the faults of real mirrors."""

import hashlib
import random
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Mirror:
    """Served files, faults, and received requests.

    Attributes:
        files: Content by path.
        validators: Header that identifies a version: ETag, Last-Modified or none.
        ranges: Whether the Range header is supported.
        cut_after: Bytes of content after which the connection is closed; None for never.
        reset: Whether it is closed by a reset instead of an orderly end.
        failing: Share of requests that are answered with `status`, drawn with seed 0.
        status: Status of failures.
        headers: Headers of failures.
        types: Content-Type by path.
        answered: Called with the path after each answer that was cut off.
        requests: Path and Range header of every answered request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    validators: str = "ETag"
    ranges: bool = True
    cut_after: int | None = None
    reset: bool = False
    failing: float = 0.0
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    answered: object = staticmethod(lambda path: None)
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    draws: random.Random = field(default_factory=lambda: random.Random(0))


@contextmanager
def running(mirror: Mirror) -> Iterator[Mirror]:
    class Handler(_Handler):
        of = mirror

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    mirror.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Mirror

    def log_message(self, *_):
        pass

    def do_GET(self):
        mirror, path = self.of, self.path.partition("?")[0].lstrip("/")
        mirror.requests.append((self.path.lstrip("/"), self.headers.get("Range", "")))
        if mirror.draws.random() < mirror.failing:
            return self.answer(mirror.status, b"", mirror.headers)
        if path not in mirror.files:
            return self.answer(404, b"", {})
        content = mirror.files[path]
        validators = {
            "ETag": {"ETag": f'"{hashlib.md5(content).hexdigest()}"'},
            "Last-Modified": {"Last-Modified": f"Mon, {sum(content[:9]) % 28 + 1:02} Jan 2024 00:00:00 GMT"},
            "nothing": {},
        }[mirror.validators]
        if path in mirror.types:
            validators["Content-Type"] = mirror.types[path]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not asked or not mirror.ranges or (condition and condition not in validators.values()):
            return self.answer(200, content, validators)
        start = int(asked[1])
        if start >= len(content):
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        part = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return self.answer(206, content[start:], {**validators, **part})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.of.cut_after
        if cut is None or len(body) <= cut:
            self.wfile.write(body)
            return
        self.wfile.write(body[:cut])
        self.of.answered(self.path.lstrip("/"))
        if self.of.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
