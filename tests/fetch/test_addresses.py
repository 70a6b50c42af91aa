"""Photos of a table that are addresses: downloaded, resumed and limited."""

import io
from dataclasses import replace

import pytest
from mirror import Mirror, running
from PIL import Image

from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.fetch import addresses
from kaleido.fetch.addresses import fetch_addresses

FAST = replace(addresses.RETRY, backoff=0.0)


def picture(colour="red"):
    buffer = io.BytesIO()
    Image.new("RGB", (30, 40), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_catalogue_of_addresses(tmp_path):
    with running(Mirror({"img/1.png": picture(), "img/2.png": b"<html>404</html>", "7": picture("blue")})) as mirror:
        table = f"id,title,photos\n1,Dress,{mirror.url}/img/1.png?v=1\n2,Hat,{mirror.url}/img/2.png|{mirror.url}/7\n"
        (tmp_path / "p.csv").write_text(table + f"3,Bag,{mirror.url}/gone.png\n4,Cap,{mirror.url}/img/1.png?v=1\n")
        with pytest.raises(UserError, match=r"row 2: .* is an address and no file here has its name; --fetch-photos"):
            Catalog.from_table(tmp_path / "p.csv", tmp_path / "none")
        options = {"fetch_photos": True, "on_error": "skip"}
        catalog = Catalog.from_table(tmp_path / "p.csv", tmp_path / "out", **options)
        assert [product.id for product in catalog.products] == ["1", "2", "4"]
        assert [len(product.photos) for product in catalog.products] == [1, 1, 1]
        assert catalog.read(catalog.products[0].photos[0].uri) == picture()
        assert catalog.read(catalog.products[1].photos[0].uri) == picture("blue")
        rejects = (tmp_path / "out" / "rejects.jsonl").read_text()
        assert "img/2.png': cannot be decoded: not a JPEG" in rejects
        assert "gone.png': cannot be downloaded: 404" in rejects
        asked = len(mirror.requests)
        assert asked == 4, "an address is fetched once"
        Catalog.from_table(tmp_path / "p.csv", tmp_path / "out", overwrite=True, **options)
        assert [path for path, _ in mirror.requests[asked:]] == ["gone.png"], "what is there is not fetched again"
        assert Catalog.open(tmp_path / "out").read(catalog.products[0].photos[0].uri) == picture()


def test_a_download_is_resumed_and_retried(tmp_path):
    data = picture() * 300
    with running(Mirror({"1.png": data}, cut_after=len(data) // 3)) as mirror:
        assert not fetch_addresses({f"{mirror.url}/1.png": tmp_path / "1.png"}, retry=FAST)
        assert (tmp_path / "1.png").read_bytes() == data
        assert [span for _, span in mirror.requests][1:] and all(span for _, span in mirror.requests[1:])


@pytest.mark.parametrize("ranges", [True, False])
def test_too_large(tmp_path, monkeypatch, ranges):
    monkeypatch.setattr(addresses, "MAX_BYTES", 1000)
    with running(Mirror({"1.png": bytes(1001), "2.png": bytes(1000)}, ranges=ranges)) as mirror:
        targets = {f"{mirror.url}/{name}": tmp_path / name for name in ("1.png", "2.png")}
        assert fetch_addresses(targets, retry=FAST) == {
            f"{mirror.url}/1.png": "cannot be downloaded: is larger than 1,000 bytes"
        }
    assert [path.name for path in tmp_path.iterdir()] == ["2.png"]


def test_a_page_is_no_picture(tmp_path):
    with running(Mirror({"1.png": b"<html>"}, types={"1.png": "text/html; charset=utf-8"})) as mirror:
        (problem,) = fetch_addresses({f"{mirror.url}/1.png": tmp_path / "1.png"}, retry=FAST).values()
    assert problem == "cannot be downloaded: the server sends text/html and no picture"


def test_a_server_that_is_gone(tmp_path):
    with running(Mirror({})) as mirror:
        address = f"{mirror.url}/1.png"
    (problem,) = fetch_addresses({address: tmp_path / "1.png"}, retry=FAST).values()
    assert "tried 4 times; the same command goes on" in problem
