"""Mirrors: HTTP servers, S3 buckets and folders."""

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from kaleido.errors import UserError
from kaleido.fetch.mirror import (
    HOW_TO_NAME_A_MIRROR,
    UNKNOWN,
    FileChanged,
    Mirror,
    MirrorUnreachable,
    NotServed,
    Opened,
    TransientError,
    Version,
    causes,
    may_pass,
    reason,
)

if TYPE_CHECKING:
    from requests import Response

LONGEST_CONNECT = 10.0
"""Seconds to wait for a connection."""


def open_mirror(base: str, timeout: float = 30.0, anonymous: bool = False) -> Mirror:
    """Opens the mirror at an address.

    Args:
        base: `http(s)://...`, `s3://bucket/prefix`, `file:///...` or a folder.
        timeout: Seconds without data after which a connection counts as broken.
        anonymous: Whether requests to S3 are left unsigned even if there are credentials.

    Raises:
        UserError: if the address is none of these or the folder does not exist.
    """
    if "://" not in base:
        return FolderMirror(Path(base))
    try:
        parts = urlsplit(base)
    except ValueError:
        raise UserError(f"the base is not an address; {HOW_TO_NAME_A_MIRROR}") from None
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return FolderMirror(Path(unquote(parts.path)))
    if parts.scheme in ("http", "https") and parts.netloc:
        return HttpMirror(parts, timeout)
    if parts.scheme == "s3" and parts.netloc:
        return S3Mirror(parts, timeout, anonymous)
    raise UserError(f"nothing can be fetched from such a base; {HOW_TO_NAME_A_MIRROR}. Received: {_shown(parts)}")


class FolderMirror(Mirror):
    """Local folder as a mirror."""

    def __init__(self, folder: Path):
        self.address = str(folder)
        self._folder = folder
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; {HOW_TO_NAME_A_MIRROR}")

    @contextmanager
    def open(self, name: str, start: int = 0, version: Version = UNKNOWN) -> Iterator[Opened]:
        try:
            with open(self._folder / name, "rb") as file:
                state = os.fstat(file.fileno())
                current = Version(state.st_size, str(state.st_mtime_ns))
                start = file.seek(start if current == version else 0)
                yield Opened(start, current, file.read)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
            raise NotServed(reason(error)) from None
        except OSError as error:
            raise TransientError(reason(error)) from error


class HttpMirror(Mirror):
    """HTTP server as a mirror; `requests` takes proxies, certificates and `~/.netrc` from the environment."""

    def __init__(self, base: SplitResult, timeout: float):
        import requests

        self.address = _shown(base)
        self._base = base
        self._timeouts = min(timeout, LONGEST_CONNECT), timeout
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"

    @contextmanager
    def open(self, name: str, start: int = 0, version: Version = UNKNOWN) -> Iterator[Opened]:
        from requests import exceptions
        from urllib3.exceptions import HTTPError

        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and version.tag:
            headers["If-Range"] = version.tag
        try:
            with self._session.get(self._url(name), headers=headers, stream=True, timeout=self._timeouts) as response:
                yield self._opened(response, start, version)
        except (exceptions.ConnectionError, exceptions.Timeout, HTTPError) as error:
            raise _no_answer(error) from error
        except exceptions.RequestException as error:
            raise NotServed(f"cannot be asked for ({type(error).__name__})") from None

    def _url(self, name: str) -> str:
        return self._base._replace(path=f"{self._base.path.rstrip('/')}/{quote(name)}", fragment="").geturl()

    def _opened(self, response: "Response", start: int, version: Version) -> Opened:
        return _answer(response, start, version)


def _answer(response: "Response", start: int, version: Version) -> Opened:
    from urllib3.util import Retry

    status, headers = response.status_code, response.headers
    if status not in (200, 206, 416):
        message = f"{status} {response.reason}"
        if may_pass(status):
            raise TransientError(message, Retry().get_retry_after(response.raw) or 0.0)
        raise NotServed(message)
    # If-Range does not allow weak ETags.
    etag = headers.get("ETag", "W/")
    tag = headers.get("Last-Modified", "") if etag.startswith("W/") else etag
    if status == 200:
        length = headers.get("Content-Length", "")
        return Opened(0, Version(int(length) if length.isdecimal() else None, tag), response.raw.read)
    part = re.fullmatch(rf"bytes {start}-\d+/(\d+|\*)", headers.get("Content-Range", ""))
    same_size = part and (version.size is None or part[1] in ("*", str(version.size)))
    if status == 416 or not same_size or tag not in ("", version.tag):
        raise FileChanged("another file than the one begun")
    return Opened(start, version, response.raw.read)


class S3Mirror(Mirror):
    """S3 bucket as a mirror, or one of a compatible server at `AWS_ENDPOINT_URL`; boto3 finds the credentials."""

    def __init__(self, base: SplitResult, timeout: float, anonymous: bool):
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        self.address = _shown(base)
        self._bucket, self._prefix = base.netloc.rpartition("@")[2], base.path.strip("/")
        # RetryPolicy alone retries.
        connect = min(timeout, LONGEST_CONNECT)
        config = Config(connect_timeout=connect, read_timeout=timeout, retries={"total_max_attempts": 1})
        try:
            session = boto3.Session()
            if anonymous or session.get_credentials() is None:
                config = config.merge(Config(signature_version=UNSIGNED))
            self._client = session.client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise UserError(f"{self.address}: look at the AWS settings, {type(error).__name__}") from None

    @contextmanager
    def open(self, name: str, start: int = 0, version: Version = UNKNOWN) -> Iterator[Opened]:
        from botocore import exceptions
        from urllib3.exceptions import HTTPError

        condition = {"Range": f"bytes={start}-"} if start else {}
        if start and version.tag.startswith('"'):
            condition["IfMatch"] = version.tag
        key = f"{self._prefix}/{name}".lstrip("/")
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **condition)
            with closing(answer["Body"]) as body:
                part = answer.get("ContentRange")
                total = part.rpartition("/")[2] if part else str(answer.get("ContentLength", ""))
                # Not every server that speaks S3 tells an ETag, or a size; what it does not tell is not compared.
                tag = answer.get("ETag") or str(answer.get("LastModified", ""))
                current = Version(int(total) if total.isdecimal() else version.size if part else None, tag)
                if part and current != version:
                    raise FileChanged("another object than the one begun")
                yield Opened(start if part else 0, current, body.read)
        except exceptions.ClientError as error:
            raise _refusal(error) from None
        except exceptions.FlexibleChecksumError as error:
            raise FileChanged("damaged on the way") from error
        except (
            exceptions.HTTPClientError,
            exceptions.ConnectionError,
            exceptions.IncompleteReadError,
            HTTPError,
        ) as error:
            raise _no_answer(error) from error
        except exceptions.BotoCoreError as error:
            raise NotServed(f"cannot be asked for ({type(error).__name__})") from None


def _refusal(error: Any) -> Exception:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    message = f"{status} {code}" if code != str(status) else code
    if status in (412, 416):
        return FileChanged(message)
    return TransientError(message) if may_pass(status) else NotServed(message)


def _no_answer(error: Exception) -> Exception:
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    chain = causes(error)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in chain):
        return NotServed("the server's certificate is not trusted")
    unreachable = any(isinstance(cause, NewConnectionError | ConnectTimeoutError) for cause in chain)
    return (MirrorUnreachable if unreachable else TransientError)(reason(error))


def _shown(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
