"""Downloads of pictures from addresses on any servers, as a table lists them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kaleido.errors import UserError
from kaleido.fetch.download import Download
from kaleido.fetch.fetch_files import Report, run_downloads
from kaleido.fetch.mirror import NotServed, Opened, Version
from kaleido.fetch.mirrors import HttpMirror
from kaleido.fetch.retry import RetryPolicy

if TYPE_CHECKING:
    from requests import Response

MAX_BYTES = 2**26
"""Largest picture that is downloaded."""

_TYPES = re.compile(r"(image/.+|(application|binary)/octet-stream)?", re.IGNORECASE)
"""Content types that are accepted for pictures; an empty one means that the server named none."""

RETRY = RetryPolicy(tries=4, advice="the same command goes on where it stopped")


def fetch_addresses(targets: Mapping[str, Path], workers: int = 8, retry: RetryPolicy = RETRY) -> dict[str, str]:
    """Downloads pictures; one that was interrupted is resumed, and errors do not stop the others.

    Args:
        targets: File to write by address, `http(s)://...`; `//...` is taken as `https`.
        workers: Pictures at once.
        retry: Policy of retries.

    Returns:
        Why pictures could not be downloaded, by address; empty if all could.
    """
    server = PictureServer()

    def download(address: str, report: Report) -> bool:
        url = f"https:{address}" if address.startswith("//") else address
        return Download(server, url, targets[address], None, retry, report).run()

    results = run_downloads(targets, download, workers)
    return {address: f"cannot be downloaded: {result}" for address, result in results if isinstance(result, UserError)}


class PictureServer(HttpMirror):
    """All HTTP servers as one mirror, whose files are named by their addresses; serves pictures of a bounded size."""

    def __init__(self, timeout: float = 30.0):
        import requests

        self.address = "the web"
        self._timeouts = min(timeout, 10.0), timeout
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"

    def _url(self, name: str) -> str:
        return name

    def _opened(self, response: "Response", start: int, version: Version) -> Opened:
        opened = super()._opened(response, start, version)
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if not _TYPES.fullmatch(kind):
            raise NotServed(f"the server sends {kind} and no picture")
        left = MAX_BYTES - opened.start
        if (opened.version.size or 0) > MAX_BYTES:
            raise NotServed(f"is larger than {MAX_BYTES:,} bytes")

        def read(size: int) -> bytes:
            nonlocal left
            block = opened.read(size)
            left -= len(block)
            if left < 0:
                raise NotServed(f"is larger than {MAX_BYTES:,} bytes")
            return block

        return Opened(opened.start, opened.version, read)
