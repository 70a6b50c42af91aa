"""Downloads from S3, tested against moto's server."""

import os
import socket
import socketserver
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

pytest.importorskip("moto.server")

import boto3
from mirror import Mirror, running
from moto.server import ThreadedMotoServer

from kaleido.__main__ import main

CONTENT = bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch, tmp_path):
    """Makes a client; the command finds the same key in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = boto3.client("s3")
    client.create_bucket(Bucket="shop")
    client.put_object(Bucket="shop", Key="data/a/x", Body=CONTENT)
    return client


@pytest.fixture
def cut(endpoint, bucket, monkeypatch):
    """Returns `cut(then)`: the first connection breaks after 300,000 bytes, and `then` is called."""
    begun = []

    def arrange(then):
        class Relay(socketserver.BaseRequestHandler):
            def handle(self):
                with socket.create_connection(urlsplit(endpoint).netloc.split(":")) as upstream:
                    threading.Thread(target=self.pump, args=(self.request, upstream), daemon=True).start()
                    left = self.pump(upstream, self.request, 300_000 if not begun else 1 << 60)
                if not left:
                    begun.append(True)
                    then()

            def pump(self, source, target, left=1 << 60):
                with suppress(OSError):
                    while left and (data := source.recv(min(left, 65536))):
                        target.sendall(data)
                        left -= len(data)
                return left

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.server_address))
        servers.append(server)

    servers = []
    yield arrange
    for server in servers:
        server.shutdown()
        server.server_close()


def fetch(out, *names, base="s3://shop/data"):
    return main(["fetch", *names, "--base", base, "--out", str(out), "--backoff=0.001"])


@pytest.mark.parametrize("validators", ["nothing", "Last-Modified"])
def test_a_server_that_tells_no_etag(bucket, tmp_path, monkeypatch, validators):
    with running(Mirror({"shop/data/x": CONTENT}, validators, cut_after=300_000)) as mirror:
        mirror.answered = lambda path: setattr(mirror, "cut_after", None)
        monkeypatch.setenv("AWS_ENDPOINT_URL", mirror.url)
        assert fetch(tmp_path, "x") == 0
        assert (tmp_path / "x").read_bytes() == CONTENT
        assert [part for _, part in mirror.requests if part] == ["bytes=299999-"]
        assert fetch(tmp_path, "x") == 0


def test_from_a_bucket(bucket, tmp_path, capsys):
    assert fetch(tmp_path, "a/x", "b") == 2
    assert "1 of 2 files did not come from s3://shop/data: b: 404 NoSuchKey" in capsys.readouterr().err
    assert (tmp_path / "a/x").read_bytes() == CONTENT
    assert fetch(tmp_path, "a/x") == 0
    assert "there already" in capsys.readouterr().out


@pytest.mark.parametrize("option", [True, False])
def test_anonymously(bucket, tmp_path, monkeypatch, capsys, option):
    if not option:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    bucket.put_object(Bucket="shop", Key="data/public", Body=CONTENT, ACL="public-read")
    assert fetch(tmp_path, "a/x", "public", *["--anonymous"] * option) == 2
    assert "a/x: 403" in capsys.readouterr().err
    assert (tmp_path / "public").read_bytes() == CONTENT


def test_a_cut_connection_is_taken_up(bucket, tmp_path, cut, caplog):
    cut(lambda: None)
    with caplog.at_level("INFO", logger="werkzeug"):
        assert fetch(tmp_path, "a/x") == 0
    assert (tmp_path / "a/x").read_bytes() == CONTENT
    assert any("GET /shop/data/a/x" in line and " 206 " in line for line in caplog.messages)


def test_an_object_that_changes_between_tries_starts_anew(bucket, tmp_path, cut):
    cut(lambda: bucket.put_object(Bucket="shop", Key="data/a/x", Body=bytes(len(CONTENT))))
    assert fetch(tmp_path, "a/x") == 0
    assert (tmp_path / "a/x").read_bytes() == bytes(len(CONTENT))


def test_a_bucket_that_is_not_there(bucket, tmp_path, capsys):
    assert fetch(tmp_path, "a/x", base="s3://nowhere") == 2
    assert "a/x: 404 NoSuchBucket" in capsys.readouterr().err


def test_an_endpoint_that_does_not_answer(bucket, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert fetch(tmp_path, "a/x") == 2
    assert "s3://shop/data does not answer: Connection refused; name a mirror" in capsys.readouterr().err
