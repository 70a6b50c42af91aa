"""Zips and folders whose members lead elsewhere, lie about themselves or are cut short."""

import os
import stat
import zipfile

import pytest

from kaleido.catalog import sources

TABLE = "id,title,photos\na,Red,a.png\nb,Blue,{}\n"


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


MEMBERS = {
    "climbs out": ("../../etc/passwd", {"../../etc/passwd": b"x"}, "leads out of the zip"),
    "absolute": ("/etc/passwd", {"/etc/passwd": b"x"}, "leads out of the zip"),
    "link": ("link.png", {link("link.png"): b"/etc/passwd"}, "is a symbolic link"),
    "empty": ("empty.png", {"empty.png": b""}, "is an empty file"),
    "folder": ("images/", {"images/": b""}, "does not exist"),
    "bomb": ("bomb.png", {"bomb.png": bytes(3_000_000)}, "is too large: 3,000,000 bytes"),
    "backslashes": ("..\\b.png", {"images\\b.png": b"x"}, "does not exist"),
    "missing": ("b.png", {}, "does not exist in the zip"),
}


@pytest.mark.parametrize(("path", "members", "reason"), MEMBERS.values(), ids=MEMBERS)
def test_a_bad_member(path, members, reason, archive, import_source, monkeypatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 1_000_000)
    line, rejects = import_source(archive(TABLE.format(path), members))
    assert "products.csv, row 3: " in line and reason in line
    assert [reject["row"] for reject in rejects] == [3]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(archive, import_source):
    path = archive(TABLE.format("b.png"), {"b.png": b"x"})
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("b.png", b"y")
    assert "is in the zip 2 times" in import_source(path)[0]


def flag(data: bytes, bit: int) -> bytes:
    """Sets a flag of the last member in the directory at the zip's end."""
    place = data.rindex(b"PK\x01\x02") + 8
    return data[:place] + bytes([data[place] | bit]) + data[place + 1 :]


def test_an_encrypted_member(archive, import_source):
    path = archive(TABLE.format("b.png"), {"b.png": b"x"})
    path.write_bytes(flag(path.read_bytes(), 1))
    assert "'b.png' is encrypted" in import_source(path)[0]


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99])
def test_a_zip_cut_short(share, archive, refused, tmp_path):
    path = archive(TABLE.format("b.png"), {"b.png": b"x"})
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    for mode in ("stop", "skip"):
        line = refused("catalog", "import", "folder", path, "--out", tmp_path / "out", "--on-error", mode)
        assert f"{path} is not a zip file, or is incomplete; fetch or copy it again" in line


def test_a_table_with_a_wrong_checksum(archive, refused, tmp_path):
    path = archive(TABLE.format("a.png"), {})
    with zipfile.ZipFile(path) as file:
        crc = file.getinfo("products.csv").CRC.to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(crc, b"\0\0\0\0"))
    assert "Bad CRC-32" in refused("catalog", "import", "folder", path, "--out", tmp_path / "out")


@pytest.mark.parametrize("content", [b"<html>404</html>", b"Rar!\x1a\x07\0", b"PK\x03\x04"])
def test_no_zip_at_all(content, refused, tmp_path):
    (tmp_path / "s.zip").write_bytes(content)
    assert "is not a zip file" in refused("catalog", "import", "folder", tmp_path / "s.zip", "--out", tmp_path / "out")


def test_a_pipe_where_a_file_should_be(folder, import_source, refused, tmp_path):
    source = folder(TABLE.format("pipe.png"))
    os.mkfifo(source / "pipe.png")
    assert "'pipe.png' is not a file" in import_source(source)[0]
    for verb in (["catalog", "import", "folder"], ["catalog", "import", "fashion-small"]):
        assert "is not a zip file" in refused(*verb, source / "pipe.png", "--out", tmp_path / "out")
    assert "not a configuration" in refused("pretrain", "--config", source / "pipe.png")


def test_a_link_in_the_users_own_folder_is_followed(folder, run, tmp_path):
    """Photos often lie on another disk; a link in a zip, which comes from someone else, is refused."""
    source = folder(TABLE.format("link.png"))
    (tmp_path / "elsewhere.png").write_bytes((source / "a.png").read_bytes())
    (source / "link.png").symlink_to(tmp_path / "elsewhere.png")
    assert run("catalog", "import", "folder", source, "--out", tmp_path / "out")[0] == 0


def test_a_link_to_nothing_or_to_itself(folder, import_source):
    source = folder(TABLE.format("loop.png"))
    (source / "loop.png").symlink_to("loop.png")
    assert "'loop.png' does not exist" in import_source(source)[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(folder, import_source):
    source = folder(TABLE.format("b.png"), photos={"b.png": b"x"})
    (source / "b.png").chmod(0)
    assert "'b.png' may not be read" in import_source(source)[0]


def test_a_large_file(folder, import_source, monkeypatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 10_000)
    assert (
        "is too large: 10,001 bytes" in import_source(folder(TABLE.format("b.png"), photos={"b.png": bytes(10_001)}))[0]
    )
