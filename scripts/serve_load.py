"""Measures text searches a second and their latency, beside a plain FastAPI server that calls a model of CLIP's size.

Each server gets the same queries from wrk on the same machine, at several numbers of clients. The plain server answers
with the vector of the text by an ONNX graph of the size of CLIP's text tower (12 layers of 512, 77 tokens, random
weights), a request at a time, and searches nothing.

    python scripts/serve_load.py INDEX --seconds 6
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

LAYERS, WIDTH, HEADS, TOKENS, VOCABULARY, OUT = 12, 512, 8, 77, 49_408, 512

LUA = """
local words = {"red", "blue", "green", "black", "dress", "shirt", "striped", "long sleeves", "jeans", "shoes", "bag",
  "for women", "casual", "cotton", "summer", "watch", "leather", "with a hood", "v-neck", "sports"}
local number = 0
request = function()
  number = number + 1
  local text = words[number % 20 + 1] .. " " .. words[math.floor(number / 20) % 20 + 1] .. " " .. number
  return wrk.format("GET", wrk.path .. (text:gsub(" ", "+")))
end
done = function(summary, latency)
  local errors = summary.errors.status + summary.errors.timeout + summary.errors.connect + summary.errors.read
  io.write(string.format("RESULT %.1f %.2f %.2f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, errors))
end
"""


def text_tower(path: Path) -> None:
    """Writes an ONNX graph of the size of CLIP's text tower: token ids int64 [B, 77] -> float32 [B, 512]."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng, nodes, weights = np.random.default_rng(0), [], []

    def constant(name: str, value: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(value, name))
        return name

    def node(kind: str, *inputs: str, **attributes: object) -> str:
        name = f"n{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def dense(x: str, name: str, rows: int, columns: int) -> str:
        matrix = constant(f"{name}.w", rng.normal(0, 0.02, (rows, columns)).astype(np.float32))
        return node("Add", node("MatMul", x, matrix), constant(f"{name}.b", np.zeros(columns, np.float32)))

    def normalised(x: str, name: str) -> str:
        ones, zeros = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
        return node("LayerNormalization", x, constant(f"{name}.g", ones), constant(f"{name}.z", zeros), axis=-1)

    shape = constant("shape", np.array([0, TOKENS, HEADS, WIDTH // HEADS], np.int64))
    flat = constant("flat", np.array([0, TOKENS, WIDTH], np.int64))
    scale = constant("scale", np.float32((WIDTH // HEADS) ** -0.5))
    causal = constant("causal", np.triu(np.full((TOKENS, TOKENS), -1e9, np.float32), 1))
    slope = constant("slope", np.float32(1.702))
    embeddings = constant("embeddings", rng.normal(0, 0.02, (VOCABULARY, WIDTH)).astype(np.float32))
    x = node("Gather", embeddings, "ids")
    x = node("Add", x, constant("positions", rng.normal(0, 0.01, (TOKENS, WIDTH)).astype(np.float32)))
    for layer in range(LAYERS):
        y = normalised(x, f"{layer}.1")
        q, k, v = (
            node("Transpose", node("Reshape", dense(y, f"{layer}.{part}", WIDTH, WIDTH), shape), perm=perm)
            for part, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
        )
        scores = node("Softmax", node("Add", node("Mul", node("MatMul", q, k), scale), causal), axis=-1)
        mixed = node("Reshape", node("Transpose", node("MatMul", scores, v), perm=[0, 2, 1, 3]), flat)
        x = node("Add", x, dense(mixed, f"{layer}.o", WIDTH, WIDTH))
        y = dense(normalised(x, f"{layer}.2"), f"{layer}.up", WIDTH, 4 * WIDTH)
        y = node("Mul", y, node("Sigmoid", node("Mul", y, slope)))
        x = node("Add", x, dense(y, f"{layer}.down", 4 * WIDTH, WIDTH))
    last = node("Gather", normalised(x, "last"), constant("end", np.int64(TOKENS - 1)), axis=1)
    nodes.append(helper.make_node("Identity", [dense(last, "out", WIDTH, OUT)], ["vector"]))
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["B", TOKENS])
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["B", OUT])
    graph = helper.make_graph(nodes, "text", [ids], [vector], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def plain_server(model: str, port: int) -> None:
    """Serves the graph in the plainest way."""
    import onnxruntime
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    session = onnxruntime.InferenceSession(model)

    @app.get("/search")
    def search(text: str) -> dict[str, list[float]]:
        ids = np.zeros((1, TOKENS), np.int64)
        words = text.split()[:TOKENS]
        ids[0, : len(words)] = [hash(word) % VOCABULARY for word in words]
        return {"vector": session.run(None, {"ids": ids})[0][0].tolist()}

    uvicorn.run(app, port=port, log_level="warning")


@contextmanager
def running(command: list[str], address: str) -> Iterator[None]:
    """Runs a server until the block ends."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(address + "red", timeout=60).read()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"{' '.join(command)} has stopped") from None
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def measure(address: str, clients: int, seconds: int, script: str) -> tuple[float, float, float, int]:
    """Requests a second, median and 95th percentile of the latency in ms, and the number of errors."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", "-s", script, address]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate, median, p95, errors = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", told).groups()  # type: ignore[union-attr]
    return float(rate), float(median), float(p95), int(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("index")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--top", type=int, default=12)
    parser.add_argument("--onnx", type=Path, help="where the graph is kept; a folder that is removed by default")
    parser.add_argument("--plain", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain_server(options.plain[0], int(options.plain[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        model, script = options.onnx or Path(folder, "text.onnx"), Path(folder, "queries.lua")
        script.write_text(LUA)
        if not model.exists():
            text_tower(model)
        kaleido = ["-m", "kaleido", "serve", options.index, "--port", "8181"]
        plain = [__file__, options.index, "--plain", str(model), "8182"]
        servers = {
            "Kaleido's server": (kaleido, f"http://127.0.0.1:8181/api/search?top={options.top}&text="),
            "plain FastAPI, CLIP-sized ONNX": (plain, "http://127.0.0.1:8182/search?text="),
        }
        print("| server | clients | requests/s | median, ms | p95, ms | errors |\n|---|---:|---:|---:|---:|---:|")
        for name, (command, address) in servers.items():
            with running(command, address):
                measure(address, 8, 2, str(script))
                for clients in options.clients:
                    rate, median, p95, errors = measure(address, clients, options.seconds, str(script))
                    print(f"| {name} | {clients} | {rate:,.0f} | {median:.1f} | {p95:.1f} | {errors} |", flush=True)


if __name__ == "__main__":
    main()
