"""`kaleido.load`: folders, web servers, buckets and names."""

import json
import os
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest

import kaleido
from kaleido.errors import UserError
from kaleido.fetch import retry

sys.path.insert(0, str(Path(__file__).parents[1] / "fetch"))
from mirror import Mirror, running


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("KALEIDO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.01)
    return tmp_path / "cache" / "models"


@pytest.fixture
def folder(model_folders) -> Path:
    return model_folders["category"]


def served(folder: Path, prefix: str = "models/shop") -> Mirror:
    files = {f"{prefix}/{path.name}": path.read_bytes() for path in folder.iterdir()}
    return Mirror(files)


def same(model: kaleido.Model, folder: Path) -> bool:
    return all((model.directory / name).read_bytes() == (folder / name).read_bytes() for name in model.config["sha256"])


def test_a_folder_or_the_folder_of_a_run(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run" / "model")
    assert kaleido.load(folder).directory == folder
    assert kaleido.load(str(tmp_path / "run")).directory == tmp_path / "run" / "model"
    assert kaleido.model_zoo.get_pretrained_model is kaleido.load


def test_from_a_web_server_once(folder, cache):
    with running(served(folder)) as mirror:
        model = kaleido.load(f"{mirror.url}/models/shop/")
        assert same(model, folder) and model.task == "category"
        key = sha256((folder / "config.json").read_bytes()).hexdigest()
        assert model.directory == cache / key
        asked = len(mirror.requests)
        assert kaleido.load(f"{mirror.url}/models/shop").directory == cache / key
        # What describes the model is asked for again, and nothing of what is there; another address is the same model.
        assert [path for path, _ in mirror.requests[asked:]] == ["models/shop/config.json"] * (
            len(mirror.requests) - asked
        )
        assert "models/shop/README.md" not in {path for path, _ in mirror.requests}
    assert not [path for path in cache.rglob("*") if path.suffix == ".partial"]


def test_without_a_progress_bar(folder, capfd):
    with running(served(folder)) as mirror:
        assert same(kaleido.load(f"{mirror.url}/models/shop", progress=False), folder)
    assert "files" not in capfd.readouterr().err


def test_an_interrupted_fetch_goes_on_where_it_was(folder, cache):
    with running(served(folder)) as mirror:
        mirror.cut_after = 150_000
        assert same(kaleido.load(f"{mirror.url}/models/shop"), folder)
        ranges = [asked for path, asked in mirror.requests if path.endswith(".safetensors")]
        if (folder / "model.safetensors").stat().st_size > 150_000:
            assert any(ranges)


def test_a_file_that_does_not_fit_its_checksum(folder, cache):
    with running(served(folder)) as mirror:
        mirror.files["models/shop/model.safetensors"] = b"another"
        with pytest.raises(UserError, match=r"models/shop/model.safetensors: does not match its checksum"):
            kaleido.load(f"{mirror.url}/models/shop")
        assert not [path for path in cache.iterdir() if len(path.name) == 64]
        mirror.files["models/shop/model.safetensors"] = (folder / "model.safetensors").read_bytes()
        assert same(kaleido.load(f"{mirror.url}/models/shop"), folder)


def test_a_new_model_at_the_address_is_fetched(folder, model_folders, cache):
    with running(served(folder)) as mirror:
        old = kaleido.load(f"{mirror.url}/models/shop")
        mirror.files = served(model_folders["pretraining"]).files
        new = kaleido.load(f"{mirror.url}/models/shop")
        assert new.task == "pretraining" and new.directory != old.directory
        assert same(new, model_folders["pretraining"]) and same(old, folder)


def test_without_network_the_last_one_is_taken(folder, cache):
    with running(served(folder)) as mirror:
        url = f"{mirror.url}/models/shop"
        known = kaleido.load(url)
        mirror.files.clear()
        with pytest.raises(UserError, match=r"no model can be had from there: config.json: 404"):
            kaleido.load(url)
    with pytest.warns(UserWarning, match="the model that was fetched before is taken"):
        assert kaleido.load(url).directory == known.directory
    with pytest.raises(UserError, match=r"/other: no model can be had from there: .*check the address and the network"):
        kaleido.load(url.replace("shop", "other"))


def test_what_leads_out_of_the_folder_is_refused(folder, tmp_path):
    from kaleido.checksums import seal, unseal

    content = unseal((folder / "config.json").read_bytes())
    content["sha256"]["../../outside"] = sha256(b"evil").hexdigest()
    mirror = served(folder)
    mirror.files["models/shop/config.json"] = seal(content)
    mirror.files["outside"] = mirror.files["models/shop/../../outside"] = b"evil"
    with running(mirror), pytest.raises(UserError, match="file inside the folder"):
        kaleido.load(f"{mirror.url}/models/shop")
    assert not [path for path in tmp_path.rglob("outside")]


def test_by_name(folder, tmp_path, monkeypatch):
    assert list(kaleido.list_models()) == ["fashion-tiny"]
    shutil.copytree(folder, tmp_path / "lists" / "shop")
    checksum = sha256((folder / "config.json").read_bytes()).hexdigest()
    with running(served(folder)) as mirror:
        (tmp_path / "lists" / "models.yaml").write_text(
            f"shop-category: {{url: shop, description: Ours}}\n"
            f"shop-remote: {{url: '{mirror.url}/models/shop', sha256: '{checksum}'}}\n"
            f"shop-changed: {{url: '{mirror.url}/models/shop', sha256: '{'0' * 64}'}}\n"
        )
        monkeypatch.setenv("KALEIDO_MODELS", str(tmp_path / "lists" / "models.yaml"))
        listed = kaleido.list_models()
        assert listed.pop("fashion-tiny")
        assert listed == {"shop-category": "Ours", "shop-remote": "", "shop-changed": ""}
        assert kaleido.load("shop-category").directory == tmp_path / "lists" / "shop"
        assert same(kaleido.load("shop-remote"), folder)
        with pytest.raises(UserError, match="does not match its checksum"):
            kaleido.load("shop-changed")
    # With its checksum listed, no server is needed any more.
    assert same(kaleido.load("shop-remote"), folder)
    with pytest.raises(UserError, match=r"shop-categry: no such model; did you mean shop-category\?"):
        kaleido.load("shop-categry")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shop: 5", "model shop: must be a mapping"),
        ("shop: {description: x}", "model shop: url is missing"),
        ("shop: {url: x, size: 3}", "model shop: unknown key size"),
        ("- shop", "a configuration is a mapping"),
    ],
)
def test_a_bad_list(text, message, tmp_path, monkeypatch):
    (tmp_path / "models.yaml").write_text(text)
    monkeypatch.setenv("KALEIDO_MODELS", str(tmp_path / "models.yaml"))
    with pytest.raises(UserError, match=message):
        kaleido.list_models()


def test_what_cannot_be_loaded(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "unknown").mkdir()
    content = json.loads((folder / "config.json").read_text())
    assert content["task"] == "category"
    for source, message in {
        tmp_path / "none": "none: no such model; name a model folder, its address, or one of list_models()",
        tmp_path / "empty": "no saved model here",
        "ftp://host/model": "begins with http://, https:// or s3://. Received: ftp://",
        "http://": "an address|nothing can be fetched",
    }.items():
        with pytest.raises(UserError, match=message.replace("(", r"\(").replace(")", r"\)")):
            kaleido.load(source)


def test_from_a_bucket(folder, tmp_path, monkeypatch):
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    import boto3

    server.start()
    try:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        client = boto3.client("s3")
        client.create_bucket(Bucket="shop")
        for path in folder.iterdir():
            client.put_object(Bucket="shop", Key=f"models/category/{path.name}", Body=path.read_bytes())
        assert same(kaleido.load("s3://shop/models/category"), folder)
    finally:
        server.stop()
