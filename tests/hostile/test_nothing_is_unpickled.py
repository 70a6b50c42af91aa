"""What is read from disk is data: nothing in it is called, imported or unpickled."""

import ast
import sys
from pathlib import Path

import pytest
from pictures import picture

PACKAGE = Path(__file__).parents[2] / "kaleido"
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "torch", "jsonpickle"}
CALLS = {"eval", "exec", "joblib.load", "yaml.unsafe_load", "yaml.full_load", "keras.models.load_model", "os.system"}
CALLS |= {
    "keras.saving.load_model",
    "tfds.builder_from_directory",
    "read_pickle",
    "keras.config.enable_unsafe_deserialization",
    "torch.load",
    "torch.package",
    "torch.jit.load",
}
MAY_IMPORT = {"bench/torch_twin.py": {"torch"}}
"""Modules that one file may import: the twin trains on numbers that it draws, and reads no file."""


def sources():
    return [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in sorted(PACKAGE.rglob("*.py"))]


def keywords(call: ast.Call) -> dict[str, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg}


@pytest.mark.parametrize("path", sources())
def test_the_package_unpickles_nothing(path):
    forbidden = MODULES - MAY_IMPORT.get(path.relative_to(PACKAGE).as_posix(), set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & forbidden
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in forbidden
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in CALLS
            if name in ("np.load", "numpy.load"):
                assert keywords(node).get("allow_pickle") == "False"
            if name == "yaml.load":
                assert ast.unparse(node.args[1]) == "_Loader"  # kaleido.configuration's, a SafeLoader


unpickled: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def audit():
    def hook(event, arguments):
        if event == "pickle.find_class":
            unpickled.append(".".join(map(str, arguments)))

    sys.addaudithook(hook)  # stays for the life of the process, and costs nothing


@pytest.mark.usefixtures("uncompiled")
def test_the_commands_unpickle_nothing(folder, run, vocabulary, tmp_path):
    """From import to evaluation; the audit hook hears of every name that any unpickler looks up."""
    rows = "".join(f"{n},Dress {n},{'train' if n < 6 else 'validation'},a.png\n" for n in range(9))
    source = folder(f"id,title,split,photos\n{rows}", photos={"a.png": picture()})
    out, records, output = tmp_path / "catalog", tmp_path / "records", tmp_path / "run"
    tiny = ("num_layers=1", "hidden_size=16", "num_heads=2", "intermediate_size=32")
    commands = [
        ("catalog", "import", "folder", source, "--out", out),
        ("catalog", "show", out),
        ("prepare", "--catalog", out, "--out", records, "--prepare_config.backbone=random",
         f"--prepare_config.vocabulary={vocabulary}"),
        ("pretrain", "--records", records, "--out", output, *(f"--model_config.{size}" for size in tiny),
         "--train_config.steps=1", "--train_config.batch_size=4"),
        ("evaluate", "--model", output / "model", "--records", records),
    ]  # fmt: skip
    for command in commands:
        run(*command)  # imports, which may unpickle what packages carry, are done the first time
    for command in commands[1:]:
        unpickled.clear()
        assert run(*command)[0] == 0
        assert not unpickled
