"""The HTTP interface: what it answers, and what it refuses."""

import base64
import json

import pytest
from fastapi.testclient import TestClient
from servers import BASE, picture

from kaleido.pretrained.hub import load
from kaleido.serve.app import FILES, create_app
from kaleido.serve.config import ServeConfig
from kaleido.serve.engine import Engine


def form(photo=None, **fields):
    """Arguments of a request with a form."""
    return {"files": {"photo": ("a.jpg", photo if photo is not None else picture())}, "data": fields}


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [hit["id"] for hit in answer.json()["hits"]]


def test_a_text_finds_what_python_finds(client, engine):
    answer = client.get("/api/search", params={"text": "red shirt", "top": 5})
    hits = engine.index.search("red shirt", top=5)
    assert ids(answer) == [hit.id for hit in hits]
    assert [hit["score"] for hit in answer.json()["hits"]] == pytest.approx([hit.score for hit in hits], abs=1e-4)
    assert ids(client.post("/api/search", json={"text": "red shirt", "top": 5})) == [hit.id for hit in hits]


def test_a_photo_and_both(client, engine):
    photo = picture((30, 60, 200))
    alone = [hit.id for hit in engine.index.search(photo=photo, top=6)]
    both = [hit.id for hit in engine.index.search("green hat", photo, top=6)]
    assert ids(client.post("/api/search", **form(photo, top=6))) == alone
    assert ids(client.post("/api/search", **form(photo, text="green hat", top=6))) == both
    for text in (base64.b64encode(photo).decode(), f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}"):
        assert ids(client.post("/api/search", json={"photo": text, "text": "green hat", "top": 6})) == both


def test_filters_and_similar(client):
    where = "category = 'hats' and price <= 25.5"
    found = client.get("/api/search", params={"text": "hat", "where": where, "top": 50}).json()["hits"]
    assert len(found) == 8 and all(hit["fields"]["category"] == "hats" for hit in found)
    near = ids(client.get("/api/similar", params={"id": "p/03", "where": where, "top": 50}))
    assert "p/03" not in near and set(near) <= {hit["id"] for hit in found}


def test_a_product_and_its_photos(client, engine):
    product = client.get("/api/product", params={"id": "p/00"}).json()
    assert product["title"] == "red shirt number 0" and product["fields"]["colour"] == "red"
    assert len(product["photos"]) == 2 and product["caption"] is None
    photo = client.get("/api/thumbnail", params={"photo": product["photos"][0]})
    assert photo.headers["content-type"] == "image/jpeg" and photo.content == engine.index.thumbnail(
        product["photos"][0]
    )
    predicted = client.get("/api/product", params={"id": "p/00", "predict": True}).json()
    assert predicted["caption"] is not None and len(predicted["labels"]["category"]) == 3


def test_models(client, model_folders):
    photo = picture()
    expected = load(model_folders["category"]).classify([photo], ["red"], top=2, progress=False)[0]
    found = client.post("/api/classify", **form(photo, text="red", top=2)).json()["labels"]["category"]
    assert [one["label"] for one in found] == [name for name, _ in expected]
    assert [one["probability"] for one in found] == pytest.approx([value for _, value in expected], abs=1e-4)
    caption = load(model_folders["caption"]).caption([photo], progress=False)[0]
    assert client.post("/api/caption", **form(photo)).json() == {"caption": caption}
    towers = load(model_folders["contrastive"])
    assert client.post("/api/embed", json={"text": "red"}).json()["vector"] == pytest.approx(
        towers.encode_text("red", progress=False)[0], abs=1e-4
    )
    image = towers.encode_image([photo], progress=False)[0]
    assert client.post("/api/embed", **form(photo)).json()["vector"] == pytest.approx(image, abs=1e-4)
    labels = ["red", "blue", "a hat"]
    tags = client.post("/api/tag", **form(photo, labels="red\nblue\na hat", top=2)).json()["tags"]
    cosines = dict(zip(labels, towers.encode_text(labels, progress=False) @ image))
    assert [one["label"] for one in tags] == sorted(labels, key=lambda name: -cosines[name])[:2]


def test_why(client, engine):
    key = engine.index.get("p/00").photos[0]
    found = client.get("/api/why", params={"photo": key, "text": "red shirt"}).json()
    assert [word["word"] for word in found["words"]] == ["red", "shirt"] and len(found["patches"]) == 55
    assert all(0 <= pair["word"] < 2 and 0 <= pair["patch"] < 55 for pair in found["pairs"])
    sent = client.post("/api/why", **form(engine.index.thumbnail(key), text="red shirt")).json()
    assert sent == found
    assert client.post("/api/why", json={"text": "red"}).status_code == 400
    assert client.get("/api/why", params={"photo": "nothing", "text": "red"}).status_code == 404


def test_what_the_server_has(client):
    info = client.get("/api/info").json()
    assert info["products"] == 24 and info["name"] == "shop"
    columns = {column["name"]: column for column in info["columns"]}
    assert columns["price"]["type"] == "number" and columns["price"]["maximum"] == 40
    assert {one["value"] for one in columns["category"]["values"]} == {"shirts", "hats"}
    assert info["can"]["classify"] == ["category"] and info["can"]["caption"] and info["can"]["photo"]
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "arguments", "status", "message"),
    [
        ("/api/search", {"json": {}}, 400, "the search is empty"),
        ("/api/search", {"json": {"text": "  "}}, 400, "must have some words"),
        (
            "/api/search",
            {"json": {"text": "a", "top": 1_000_000}},
            422,
            "at most 50 results are given. Received: 1000000",
        ),
        ("/api/search", {"json": {"text": "a", "top": 0}}, 422, "top: "),
        ("/api/search", {"json": {"text": "a", "colour": "red"}}, 422, "colour: "),
        ("/api/search", {"json": {"text": "a", "where": "size = 3"}}, 400, "no column 'size'"),
        ("/api/search", {"json": {"text": "a", "where": "price <"}}, 400, "price"),
        ("/api/search", {"json": {"text": "a", "where": "price < 'x'"}}, 400, ""),
        ("/api/search", {"json": {"text": "a", "rerank": 10}}, 400, "no matching head"),
        ("/api/search", {"json": {"photo": "no base64!"}}, 422, "photo: must be the photo's bytes in base64"),
        ("/api/search", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "JSON"),
        ("/api/search", {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 422, ""),
        ("/api/search", {"json": {"a\x1db\u2028c": 1}}, 422, "a b c: "),
        ("/api/search", {"content": b"text=a"}, 415, "application/json or multipart/form-data"),
        ("/api/search", form(b""), 400, "the file is empty"),
        ("/api/search", form(b"no picture"), 400, "cannot be decoded: not a JPEG"),
        ("/api/search", form(picture()[:300]), 400, "cannot be decoded"),
        ("/api/search", form(picture(size=(1100, 1000))), 400, "too large: at most 1,000,000 pixels"),
        ("/api/search", form(picture(size=(3, 3))), 400, "too small"),
        ("/api/search", form(bytes(400_000)), 413, "at most 300,000 bytes"),
        ("/api/classify", {"json": {}}, 400, "photo: there is none"),
        ("/api/tag", form(), 422, "labels: "),
        ("/api/caption", {"json": {"photo": ""}}, 400, "photo: "),
        ("/api/embed", {"json": {}}, 400, "nothing to embed"),
    ],
)
def test_bad_requests(client, path, arguments, status, message):
    answer = client.post(path, **arguments)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"] and len(answer.json()["error"].splitlines()) == 1


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("/api/product?id=nothing", 404, "no product of this id"),
        ("/api/similar?id=p/0", 404, "no product of this id"),
        ("/api/thumbnail?photo=../../etc/passwd", 404, "no photo of this key"),
        ("/api/product", 422, "id: "),
        ("/api/search?text=a&top=x", 422, "top: "),
        ("/api/search", 422, "text: "),
        ("/static/../app.py", 404, ""),
        ("/static/..%2f..%2fapp.py", 404, ""),
        ("/static/%2e%2e/app.py", 404, ""),
        ("/static/style.css%00", 404, ""),
        ("/nothing", 404, ""),
    ],
)
def test_bad_addresses(client, address, status, message):
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]


def test_no_message_names_a_folder_of_the_machine(client, engine):
    for answer in (
        client.get("/api/product", params={"id": "nothing"}),
        client.post("/api/search", json={"text": "a", "where": "price like 3"}),
        client.post("/api/search", json={"text": "a", "where": "(" * 1000}),
    ):
        assert 400 <= answer.status_code < 500 and str(engine.index.where) not in answer.text


def test_an_odd_text_is_a_text(client):
    for text in ("'; drop table photos", "\0 red", "a" * 2000, "red \ud7ff"):
        assert client.post("/api/search", json={"text": text, "top": 3}).status_code == 200
    told = client.post("/api/search", json={"text": "red 赤い", "top": 3}).json()["notes"]
    assert len(told) == 1 and "unknown" in told[0]
    told = client.get("/api/search", params={"text": "red shirt " * 50}).json()["notes"]
    assert told == ["the text is cut to the 16 tokens that the model reads"]
    for text in ("赤いドレス", "😀" * 500):
        answer = client.post("/api/search", json={"text": text})
        assert answer.status_code == 400 and "search in the language" in answer.json()["error"]


def test_the_page_comes_from_the_package_and_loads_nothing_from_elsewhere(client):
    page = client.get("/")
    assert page.status_code == 200 and "text/html" in page.headers["content-type"]
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for name, (content, _) in FILES.items():
        answer = client.get(f"/static/{name}")
        assert answer.content == content and answer.headers["x-content-type-options"] == "nosniff"
        outside = content.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"http://" not in outside and b"https://" not in outside
    assert client.get("/docs").status_code == 200


def test_the_description_of_the_api_names_every_path(client):
    description = client.get("/openapi.json").json()
    names = {"search", "similar", "product", "thumbnail", "why", "classify", "tag", "caption", "embed", "info"}
    assert {*(f"/api/{name}" for name in names), "/metrics", "/health"} == set(description["paths"])
    assert "429" in description["paths"]["/api/search"]["post"]["responses"]
    assert "HTTPValidationError" not in json.dumps(description["paths"])


def test_metrics(client):
    client.get("/api/search", params={"text": "red"})
    client.get("/no/such/path/at/all")
    text = client.get("/metrics").text
    assert 'kaleido_requests_total{method="GET",path="/api/search",status="200"}' in text
    assert "no/such" not in text and 'path="other"' in text
    assert "process_resident_memory_bytes" in text and "kaleido_waiting 0.0" in text


def test_the_token_is_needed_where_there_is_one(engine):
    config = ServeConfig(source="shop", token="gehé1m")
    client = TestClient(create_app(engine, config), base_url=BASE)
    assert client.get("/").status_code == client.get("/health").status_code == client.get("/docs").status_code == 200
    for path in ("/api/info", "/metrics", "/api/thumbnail?photo=x", "/api/nothing"):
        answer = client.get(path)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get(path, headers={"Authorization": "Basic gehé1m".encode()}).status_code == 401
    assert client.get("/api/info", headers={"Authorization": "Bearer gehé1m".encode()}).status_code == 200


def test_other_names_of_a_local_server_are_refused(engine):
    def status(name, **options):
        app = create_app(engine, ServeConfig(source="shop", **options))
        return TestClient(app, base_url=BASE).get("/health", headers={"Host": name}).status_code

    assert [status(host) for host in ("localhost:8000", "127.0.0.1", "[::1]:80")] == [200] * 3
    assert [status(host) for host in ("evil.example", "localhost.evil.example", "")] == [421] * 3
    assert status("shop.example:80", names=("shop.example",)) == status("shop.example", host="0.0.0.0") == 200


def test_a_model_without_an_index(model_folders):
    config = ServeConfig(source="model")
    served = Engine(config, load(model_folders["category"]))
    with TestClient(create_app(served, config), base_url=BASE) as client:
        assert client.get("/", follow_redirects=False).headers["location"] == "docs"
        assert client.get("/api/info").json()["products"] is None
        assert client.post("/api/classify", **form()).status_code == 200
        for answer in (client.get("/api/search?text=a"), client.post("/api/caption", **form())):
            assert answer.status_code == 400 and "start it with" in answer.json()["error"]
