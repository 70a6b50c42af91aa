"""Commands as a user types them, on inputs that nobody should type."""

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from pictures import picture

from kaleido.__main__ import main
from kaleido.text import SentencePieceTokenizer

PROGRESS = re.compile(r"\d+/\d+ \[|\[00:00, \?")


@pytest.fixture
def run(capsys):
    """`run(*argv)`: exit code, what was printed, and the lines on stderr without progress bars."""

    def command(*argv: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        code = main([str(argument) for argument in argv])
        captured = capsys.readouterr()
        # What a terminal shows of lines on which a progress bar was drawn again and again.
        lines = [line.rpartition("\r")[2].rstrip() for line in captured.err.split("\n")]
        return code, captured.out, [line for line in lines if line and not PROGRESS.search(line)]

    return command


@pytest.fixture
def refused(run):
    """`refused(*argv)`: the one line with which the command refuses."""

    def command(*argv: object) -> str:
        code, _, lines = run(*argv)
        assert code == 2, lines
        assert len(lines) == 1 and lines[0].startswith(f"kaleido {argv[0]}: ")
        return lines[0]

    return command


@pytest.fixture
def import_source(run, refused, tmp_path):
    """`import_source(source, *options)`: refuses with the line it returns; then skips, and returns the rejects.

    Where nothing is left without the bad rows, the second import is refused as well.
    """

    def command(source: Path, *options: object, kind: str = "folder", all_bad: bool = False) -> tuple[str, list[dict]]:
        words = ("catalog", "import", kind, *([source] if kind != "fashion-gen" else ["--train", source]), *options)
        line = refused(*words, "--out", tmp_path / "stopped")
        out = tmp_path / "skipped"
        if all_bad:
            assert "no product" in refused(*words, "--out", out, "--on-error", "skip")
        else:
            code, printed, lines = run(*words, "--out", out, "--on-error", "skip")
            assert code == 0 and not lines
        rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text(encoding="utf-8").splitlines()]
        assert all_bad or f"left out: {len(rejects)} " in printed
        assert all(reject["reason"] for reject in rejects)
        return line, rejects

    return command


@pytest.fixture
def folder(tmp_path):
    """`folder(table, name="products.csv", **photos)`: a source with one good photo `a.png` and further ones."""

    def make(
        table: bytes | str, name: str = "products.csv", photos: Mapping[str, bytes] = MappingProxyType({})
    ) -> Path:
        source = tmp_path / "source"
        (source / "images").mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(table if isinstance(table, bytes) else table.encode())
        for path, data in {"a.png": picture(), **photos}.items():
            (source / path).write_bytes(data)
        return source

    return make


@pytest.fixture
def archive(tmp_path):
    """`archive(members)`: a zip with a table and further members."""

    def make(table: str, members: dict[str | zipfile.ZipInfo, bytes]) -> Path:
        path = tmp_path / "source.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("products.csv", table)
            for name, data in {"a.png": picture(), **members}.items():
                file.writestr(name, data)
        return path

    return make


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory) -> Path:
    """A SentencePiece model, so that no test trains one."""
    texts = (f"red shirt blue jeans number {number}" for number in range(300))
    return SentencePieceTokenizer.train(texts, 200).save(tmp_path_factory.mktemp("vocabulary"))
