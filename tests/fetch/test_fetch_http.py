import hashlib
import random

import pytest
from mirror import Mirror, running

from kaleido.__main__ import main

CONTENT = random.Random(1).randbytes(1_000_000)


@pytest.fixture
def mirror():
    with running(Mirror({"a/x": CONTENT})) as mirror:
        yield mirror


@pytest.fixture
def fetch(mirror, tmp_path):
    def run(*arguments, base=""):
        base = base or mirror.url
        return main(["fetch", *arguments, "--base", base, "--out", str(tmp_path), "--backoff=0.001"])

    return run


def sums(files):
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()).encode()


def hidden(folder):
    return [path.name for path in folder.rglob(".*")]


def ranges(mirror, path="a/x"):
    return [asked for name, asked in mirror.requests if name == path]


def test_half_of_the_requests_fail(mirror, fetch, tmp_path):
    mirror.files = {f"f{n}": random.Random(n).randbytes(30_000) for n in range(20)}
    mirror.failing, mirror.cut_after = 0.5, 20_000
    assert fetch(*mirror.files, "--tries=15") == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == mirror.files


@pytest.mark.parametrize("validators", ["ETag", "Last-Modified", "nothing"])
@pytest.mark.parametrize("reset", [False, True])
def test_cut_connections_are_taken_up_where_they_broke(mirror, fetch, tmp_path, validators, reset):
    mirror.cut_after, mirror.validators, mirror.reset = 300_000, validators, reset
    assert fetch("a/x", "--tries=4") == 0
    assert (tmp_path / "a/x").read_bytes() == CONTENT and not hidden(tmp_path)
    asked = ranges(mirror)
    assert asked[0] == "" and all(asked[1:]) and len(asked) > 3
    if not reset:
        assert asked[1] == "bytes=299999-"


def test_a_server_that_ignores_ranges_starts_anew(mirror, fetch, tmp_path):
    mirror.cut_after, mirror.ranges = 600_000, False
    mirror.answered = lambda path: setattr(mirror, "cut_after", None)
    assert fetch("a/x") == 0
    assert (tmp_path / "a/x").read_bytes() == CONTENT


def test_a_server_that_always_cuts_and_ignores_ranges_is_given_up(mirror, fetch, tmp_path, capsys):
    mirror.cut_after, mirror.ranges = 600_000, False
    assert fetch("a/x", "--tries=3") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "1 of 1 files" in error and "a/x: " in error and "KALEIDO_DATA_URL" in error
    assert not (tmp_path / "a/x").exists() and (tmp_path / "a/.x.partial").stat().st_size == 600_000


@pytest.mark.parametrize("validators", ["ETag", "Last-Modified"])
@pytest.mark.parametrize("another_process", [False, True])
def test_a_file_that_changes_between_tries_starts_anew(mirror, fetch, tmp_path, validators, another_process):
    other = bytes(len(CONTENT))

    def change(path):
        mirror.files["a/x"], mirror.cut_after = other, None

    mirror.cut_after, mirror.validators, mirror.answered = 500_000, validators, change
    if another_process:
        assert fetch("a/x", "--tries=1") == 2
    assert fetch("a/x") == 0
    assert (tmp_path / "a/x").read_bytes() == other


def test_a_file_that_shrinks_below_what_is_there_starts_anew(mirror, fetch, tmp_path):
    def shrink(path):
        mirror.files["a/x"], mirror.cut_after = CONTENT[:100], None

    mirror.cut_after, mirror.validators, mirror.answered = 500_000, "nothing", shrink
    assert fetch("a/x") == 0
    assert (tmp_path / "a/x").read_bytes() == CONTENT[:100]


def test_checksums(mirror, fetch, tmp_path, capsys):
    mirror.files["SHA256SUMS"] = sums({"a/x": CONTENT})
    assert fetch("a/x") == 0
    mirror.requests.clear()
    assert fetch("a/x") == 0 and "there already" in capsys.readouterr().out
    assert not ranges(mirror)
    (tmp_path / "a/x").write_bytes(bytes(len(CONTENT)))
    assert fetch("a/x") == 0
    assert (tmp_path / "a/x").read_bytes() == CONTENT


def test_a_wrong_checksum_is_tried_twice_from_the_start(mirror, fetch, tmp_path, capsys):
    mirror.files["SHA256SUMS"] = sums({"a/x": b"something else"})
    assert fetch("a/x") == 2
    assert "checksum" in capsys.readouterr().err.splitlines()[-1]
    assert ranges(mirror) == ["", ""]
    assert not list((tmp_path / "a").iterdir())


def test_a_damaged_partial_file_is_noticed_and_replaced(mirror, fetch, tmp_path):
    mirror.files["SHA256SUMS"] = sums({"a/x": CONTENT})
    mirror.cut_after = 500_000
    assert fetch("a/x", "--tries=1") == 2
    mirror.cut_after = None
    (tmp_path / "a/.x.partial").write_bytes(bytes(500_000))
    assert fetch("a/x") == 0
    assert (tmp_path / "a/x").read_bytes() == CONTENT and not hidden(tmp_path)


def test_what_is_there_is_fetched_again_only_if_its_size_differs(mirror, fetch, tmp_path):
    assert fetch("a/x") == 0
    (tmp_path / "a/x").write_bytes(CONTENT[::-1])
    assert fetch("a/x") == 0 and (tmp_path / "a/x").read_bytes() == CONTENT[::-1]
    mirror.files["a/x"] = CONTENT[:-1]
    assert fetch("a/x") == 0 and (tmp_path / "a/x").read_bytes() == CONTENT[:-1]


def test_missing_files_are_named_and_do_not_stop_the_others(mirror, fetch, tmp_path, capsys):
    mirror.files["empty"] = b""
    assert fetch("b", "a/x", "c", "empty") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"2 of 4 files did not come from {mirror.url}: b, c: 404 Not Found" in error
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "empty", "x"]
    assert len(ranges(mirror, "b")) == 1


def test_retry_after_is_obeyed(mirror, fetch, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr("kaleido.fetch.retry.time.sleep", slept.append)
    mirror.failing, mirror.status, mirror.headers = 0.5, 429, {"Retry-After": "7"}
    mirror.files |= {"y": b"y", "z": b"z"}
    assert fetch("a/x", "y", "z", "--workers=1") == 0
    assert slept and set(slept) == {7.0}


def test_a_mirror_behind_a_login_and_a_token(mirror, fetch, tmp_path, capsys):
    base = mirror.url.replace("//", "//me:secret@") + "/?token=hidden"
    assert fetch("a/x", "nowhere", base=base) == 2
    assert ("a/x?token=hidden", "") in mirror.requests
    captured = capsys.readouterr()
    assert not any(word in captured.out + captured.err for word in ("secret", "hidden", "me:"))
    assert (tmp_path / "a/x").read_bytes() == CONTENT


def test_an_address_that_does_not_answer(mirror, fetch, tmp_path, capsys):
    assert fetch("a/x", base="http://me:secret@127.0.0.1:1/x?token=hidden") == 2
    error = capsys.readouterr().err
    assert error.startswith("kaleido fetch: http://127.0.0.1:1/x does not answer: Connection refused;")
    assert "KALEIDO_DATA_URL" in error and error.count("\n") == 1 and "hidden" not in error


@pytest.mark.parametrize("line", ["<html>", f"{'0' * 64}  ../x", f"{'0' * 63}  x"])
def test_a_manifest_that_is_none(mirror, fetch, tmp_path, capsys, line):
    mirror.files["SHA256SUMS"] = f"{'0' * 64} *./y\n{line}\n".encode()
    assert fetch("a/x") == 2
    assert f"{mirror.url}/SHA256SUMS:2: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
