"""Sends a server hostile uploads, and looks for what must not happen.

An upload may be answered, or refused by a 4xx of one line in JSON. Anything else is a failure: a 5xx, a connection
that hangs, memory or open files that grow with the number of uploads. Every upload is a function of (seed, number), so
any can be had again.

    kaleido serve INDEX --captioner MODEL --classifier MODEL &
    python tests/campaigns/hostile_uploads.py http://127.0.0.1:8000 --uploads 10000 --seed 0
"""

import argparse
import base64
import http.client
import io
import json
import random
import re
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from mutations import mutate

SECONDS = 60
"""Longest wait for an answer."""

WARM = 0.2
"""Share of the uploads after which memory is read for the first time: caches and pools have filled by then."""

MOST_MEGABYTES, MOST_FILES = 64, 8
"""How much memory and how many more open files the server may have at the end than after the first uploads."""

PATHS = ("/api/search", "/api/embed", "/api/classify", "/api/caption", "/api/tag")
EDGE = b"kaleido-edge"


def photo(rng: random.Random, format: str = "JPEG") -> bytes:
    """A small picture of noise."""
    size = rng.randrange(5, 60), rng.randrange(5, 60)
    pixels = np.frombuffer(rng.randbytes(size[0] * size[1] * 3), np.uint8).reshape(size[1], size[0], 3)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format)
    return data.getvalue()


def png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG file of any claimed size."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


BOMB = zlib.compress(bytes(60_000_000), 9)
"""60 MB of zeros in 60 kB."""


def _form(rng: random.Random, body: bytes, path: str) -> tuple[dict[str, str], bytes]:
    name = rng.choice(["a.jpg", "a.png", "..\\..\\x", "x" * 500, "", "\u00e9.jpg", 'a"b.jpg', "../../etc/passwd"])
    fields = [("text", rng.choice(["red dress", "", "\0", "x" * 2001, "\u5973\u88c5"])), ("labels", "red\nblue")]
    keep = rng.sample(fields, rng.randrange(3))
    if path.endswith("tag"):
        keep = fields[1:]
    parts = [
        f'Content-Disposition: form-data; name="photo"; filename="{name}"\r\nContent-Type: image/jpeg\r\n\r\n'.encode()
        + body,
        *(f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}'.encode() for key, value in keep),
    ]
    whole = b"".join(b"--" + EDGE + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + EDGE + b"--\r\n"
    return {"Content-Type": f"multipart/form-data; boundary={EDGE.decode()}"}, whole


def _pictures(rng: random.Random) -> bytes:
    side = rng.choice([1, 4, 5, 6000, 20_000, 2**31 - 1])
    kinds: list[Callable[[], bytes]] = [
        lambda: b"",
        lambda: rng.randbytes(rng.choice((1, 10, 1000, 100_000))),
        lambda: photo(rng),
        lambda: photo(rng)[: rng.randrange(600)],
        lambda: mutate(photo(rng, rng.choice(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])), rng),
        lambda: png(side, rng.choice([side, 5, 1]), rng.choice([BOMB, b"", rng.randbytes(50)])),
        lambda: png(4400, 4400, BOMB),
        lambda: b"\xff\xd8\xff\xe0" + bytes(rng.randrange(70_000)),
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n" + rng.randbytes(20),
        lambda: b"\0\0\0\x20ftypheic" + rng.randbytes(200),
        lambda: zlib.compress(bytes(2**20)),
    ]
    return rng.choice(kinds)()


def upload(seed: int, number: int) -> tuple[str, dict[str, str], bytes]:
    """Path, headers and body of an upload."""
    rng = random.Random(f"{seed} {number}")
    path = rng.choice(PATHS)
    headers, body = _form(rng, _pictures(rng), path)
    match rng.randrange(12):
        case 0:  # a damaged form
            body = mutate(body, rng)
        case 1:  # JSON
            text = base64.b64encode(_pictures(rng)).decode()
            headers = {"Content-Type": "application/json"}
            given: dict = {"photo": text[: rng.choice((len(text), 7))]}
            if path.endswith("tag"):
                given["labels"] = ["red", "blue"]
            body = json.dumps(given).encode()
            if rng.random() < 0.4:
                body = mutate(body, rng)
        case 2:  # another type, or none
            other = ["text/plain", "", "multipart/form-data", "multipart/form-data; boundary=" + "b" * 300, "\u00e9"]
            headers = {"Content-Type": rng.choice(other)}
        case 3:  # too large
            body += bytes(11_000_000)
        case 4:  # large headers
            headers["X-Large"] = "x" * rng.choice((1000, 60_000, 200_000))
        case 5:  # deep or odd JSON
            headers = {"Content-Type": "application/json"}
            body = rng.choice(
                [b"[" * 50_000, b'{"photo":' * 5000, b"nul", b"1e999", b'{"photo":1}', b'"\\ud800"', b"\xff"]
            )
    return path, headers, body


def send(address: str, path: str, headers: dict[str, str], body: bytes, cut: bool = False) -> tuple[int, bytes]:
    """Sends an upload; the status 0 means that the server has closed the connection without an answer.

    Args:
        address: Host and port.
        path: Path.
        headers: Headers.
        body: The body.
        cut: Whether the client leaves in the middle.
    """
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    try:
        if cut:
            connection.connect()
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
            connection.sock.sendall(head.encode("utf-8") + body[: len(body) // 2])
            return 0, b""
        encoded = {name: value.encode("utf-8") for name, value in headers.items()}
        connection.request("POST", path, body, encoded)  # type: ignore[arg-type]
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (TimeoutError, ConnectionError, http.client.BadStatusLine) as problem:
        return (-1, b"no answer in time") if isinstance(problem, TimeoutError) else (0, b"")
    finally:
        connection.close()


def problem_of(status: int, content: bytes) -> str:
    """What must not be in an answer; empty if nothing is."""
    if status == -1 or status >= 500:
        return f"{status} {content[:300]!r}"
    if 400 <= status < 500:
        try:
            message = json.loads(content)["error"]
        except (ValueError, KeyError, TypeError):
            # The HTTP parser itself refuses what is no HTTP, in plain text.
            return (
                "" if status in (400, 431) and len(content) < 100 else f"{status} without a message: {content[:300]!r}"
            )
        if len(message.splitlines()) != 1:
            return f"{status} with a message of several lines: {message[:300]!r}"
    return ""


def state(address: str) -> tuple[float, float]:
    """Memory in MB and open files of the server, as its metrics tell."""
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = dict(re.findall(r"^process_(resident_memory_bytes|open_fds) (\S+)$", text, re.MULTILINE))
    return float(found["resident_memory_bytes"]) / 1e6, float(found["open_fds"])


def campaign(
    address: str, uploads: int, seed: int, clients: int = 4, most_megabytes: float = MOST_MEGABYTES
) -> tuple[Counter, list[str], str]:
    """Sends uploads; returns their statuses, the failures, and how memory and open files went."""

    def one(number: int) -> tuple[int, str]:
        cut = random.Random(f"{seed} {number} cut").random() < 0.02
        path, headers, body = upload(seed, number)
        for _ in range(100):
            status, content = send(address, path, headers, body, cut)
            if status != 429:
                break
            time.sleep(0.2)
        problem = problem_of(status, content)
        return status, f"upload {number} to {path}: {problem}" if problem else ""

    statuses: Counter = Counter()
    failures: list[str] = []
    warm = round(uploads * WARM)
    states = []
    with ThreadPoolExecutor(clients) as pool:
        for numbers in (range(warm), range(warm, uploads)):
            states.append(state(address))
            for status, problem in pool.map(one, numbers):
                statuses[status] += 1
                failures += [problem] if problem else []
    time.sleep(1)
    states.append(state(address))
    told = "; ".join(f"{memory:,.0f} MB and {files:.0f} open files {when}" for (memory, files), when in zip(
        states, ("before", f"after {warm:,}", f"after {uploads:,}")
    ))  # fmt: skip
    (memory, files), (memory_after, files_after) = states[1:]
    if memory_after > memory + most_megabytes or files_after > files + MOST_FILES:
        failures.append("memory or open files have grown")
    return statuses, failures, told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address", help="http://HOST:PORT of a server without a token")
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    started = time.monotonic()
    statuses, failures, told = campaign(
        urlsplit(options.address).netloc, options.uploads, options.seed, options.clients
    )
    print(f"{options.uploads:,} uploads in {time.monotonic() - started:.0f} s")
    print(f"answers by status (0: closed without one): {dict(sorted(statuses.items()))}\n{told}")
    print("\n".join(failures[:20]) or "no failure")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
