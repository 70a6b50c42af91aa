"""`kaleido serve` as a process: its start, its errors, and its end."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from servers import picture

from kaleido.__main__ import main
from kaleido.serve.config import ServeConfig
from kaleido.serve.run import listening_socket, serve

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start():
    """Starts a server on a free port; gives the process and the port."""
    processes = []

    def started(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "kaleido", "serve", *map(str, arguments), "--port", "0"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        line = process.stdout.readline()
        return process, int(re.search(r"http://127.0.0.1:(\d+)/", line)[1])

    yield started
    for process in processes:
        process.kill()
        process.communicate()


def ask(port, path, **options):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(options.pop("method", "GET"), path, **options)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_requests_are_finished_before_the_end(start, index_folder, model_folders):
    process, port = start(index_folder, "--classifier", model_folders["category"], KALEIDO_TOKEN="t")
    answers = []
    body = json.dumps({"photo": base64.b64encode(picture()).decode()})
    headers = {"Authorization": "Bearer t", "Content-Type": "application/json"}

    def slow():
        answers.append(ask(port, "/api/classify", method="POST", body=body, headers=headers))

    assert ask(port, "/api/info")[0] == 401
    assert ask(port, "/api/search?text=red", headers=headers)[0] == 200
    thread = threading.Thread(target=slow)
    thread.start()
    # The first photo loads the backbone, which takes longer than it takes to get here.
    thread.join(0.3)
    process.send_signal(signal.SIGTERM)
    thread.join(60)
    out, errors = process.communicate(timeout=60)
    assert answers[0][0] == 200 and answers[0][1]["labels"]["category"]
    assert process.returncode == 0 and out.endswith("stopped\n")
    assert "Traceback" not in errors


def message_of(capsys, *arguments):
    assert main(["serve", *map(str, arguments)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("kaleido serve: ") and message.count("\n") == 1
    return message


def test_errors_at_the_start(capsys, tmp_path, index_folder, model_folders):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "Address already in use; choose another" in message_of(capsys, index_folder, "--port", port)
    assert "cannot listen on no.such.host.invalid" in message_of(capsys, index_folder, "--host", "no.such.host.invalid")
    assert "no index" in message_of(capsys, tmp_path / "nothing", "--port", 0)
    assert "no such model" in message_of(capsys, index_folder, "--model", tmp_path / "nothing", "--port", 0)
    assert "another model" in message_of(capsys, index_folder, "--model", model_folders["retrieval"], "--port", 0)
    assert "predicts no labels" in message_of(
        capsys, index_folder, "--classifier", model_folders["contrastive"], "--port", 0
    )
    assert "writes no captions" in message_of(
        capsys, index_folder, "--captioner", model_folders["category"], "--port", 0
    )
    assert "--model goes with an index" in message_of(
        capsys, model_folders["category"], "--model", model_folders["category"], "--port", 0
    )
    assert "port must be in [0, 65_535]" in message_of(capsys, index_folder, "--port", 65536)
    assert "timeout must be in" in message_of(capsys, index_folder, "--timeout", 0)


def test_it_says_where_it_is_and_who_can_reach_it(capsys, index_folder, monkeypatch):
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    serve(ServeConfig(source=str(index_folder), port=0))
    told = capsys.readouterr().out
    assert re.search(r"24 products at http://127.0.0.1:\d+/ \(API: /docs\)", told) and "warning" not in told
    serve(ServeConfig(source=str(index_folder), port=0, host="0.0.0.0"))
    assert "need no token" in capsys.readouterr().out


def test_answers_are_sent_without_delay():
    """asyncio turns Nagle's algorithm off where a socket says that it is of TCP."""
    with listening_socket("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
