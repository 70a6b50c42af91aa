"""`kaleido.__all__` is the promise: every name of it, its docstring and its signature."""

import inspect
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest

import kaleido

NAMES = Path(__file__).with_name("public_names.txt")
ROOT = Path(__file__).parents[2]


def public_methods(kind: type) -> list[str]:
    """Names of the methods and properties of a public class, its own ones."""
    return [name for name in vars(kind) if not name.startswith("_") or name in ("__init__", "__len__")]


def described() -> list[str]:
    """A line for each public name, with its signature."""
    lines = []
    for name in kaleido.__all__:
        value = getattr(kaleido, name)
        if inspect.isclass(value):
            lines.append(f"class {name}")
            for method in public_methods(value):
                member = inspect.getattr_static(value, method)
                if isinstance(member, property | cached_property):
                    getter = member.fget if isinstance(member, property) else member.func
                    lines.append(
                        f"{name}.{method}: {inspect.formatannotation(inspect.signature(getter).return_annotation)}"
                    )
                elif callable(member) or isinstance(member, classmethod | staticmethod):
                    lines.append(f"{name}.{method}{inspect.signature(getattr(value, method))}")
        elif inspect.isroutine(value):
            lines.append(f"{name}{inspect.signature(value)}")
        elif inspect.ismodule(value):
            lines += [
                f"module {name}",
                *(f"{name}.{part}{inspect.signature(getattr(value, part))}" for part in value.__all__),
            ]
        else:
            lines.append(f"{name}: {type(value).__name__}")
    return lines


def test_nothing_becomes_public_by_accident():
    """The file says what is promised; a change of the API changes it, with a word in CHANGELOG.md."""
    if os.environ.get("KALEIDO_WRITE_PUBLIC_NAMES"):
        NAMES.write_text("\n".join(described()) + "\n")
    assert described() == NAMES.read_text().splitlines()
    assert dir(kaleido) == sorted(kaleido.__all__)


@pytest.mark.parametrize("name", [name for name in kaleido.__all__ if name != "__version__"])
def test_every_name_is_documented_and_typed(name):
    value = getattr(kaleido, name)
    members = [value]
    if inspect.isclass(value):
        members += [inspect.getattr_static(value, name) for name in public_methods(value) if name != "__init__"]
        members += [value.__init__] if "__init__" in vars(value) else []
    for member in members:
        function = member.fget if isinstance(member, property) else getattr(member, "func", member)
        function = getattr(function, "__func__", function)
        if not (inspect.isroutine(function) or inspect.isclass(function) or inspect.ismodule(function)):
            continue
        if getattr(function, "__name__", "") not in ("__init__", "__len__"):
            first = (inspect.getdoc(function) or "").partition("\n")[0]
            assert first, f"{name}: {function} has no docstring"
        if inspect.isroutine(function):
            found = inspect.signature(function)
            for parameter in found.parameters.values():
                assert parameter.name in ("self", "cls") or parameter.annotation is not parameter.empty, (
                    name,
                    parameter,
                )
            assert found.return_annotation is not found.empty or function.__name__ == "__init__", (name, function)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        kaleido.lode  # noqa: B018
    with pytest.raises(ImportError):
        from kaleido import lode  # noqa: F401


CHECK = """
import sys, time
before = time.perf_counter()
import kaleido
took = time.perf_counter() - before
heavy = {"keras", "tensorflow", "jax", "numpy", "PIL", "scipy", "yaml"} & set(sys.modules)
assert not heavy, heavy
assert len(dir(kaleido)) == len(kaleido.__all__)
print(took)
"""


def test_the_import_is_fast_and_needs_no_framework():
    command = [sys.executable, "-c", CHECK]
    took = [
        float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout) for _ in range(3)
    ]
    assert min(took) < 0.1


def test_catalogues_and_records_need_no_framework():
    code = (
        "import sys, kaleido; kaleido.Catalog, kaleido.Records, kaleido.UserError, kaleido.list_models(); "
        "assert not {'keras', 'tensorflow', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_types_go_with_the_package():
    assert (ROOT / "kaleido" / "py.typed").exists()
