"""Computes the version of the code behind a stage's result: a checksum of the modules that the stage can reach.

A stage depends on the modules that its subcommand imports, directly or not, at the top of a file or inside a function.
Their text counts without comments, docstrings and layout. So a change of the report, of another subcommand or of the
documentation does not make hours of training run again, and one of the model does.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = "kaleido"
ROOT = Path(__file__).parents[1]


def code_version(modules: Iterable[str], root: Path = ROOT) -> str:
    """Computes the sha256 of the code that some modules reach, in hexadecimal.

    Args:
        modules: Names, such as `kaleido.commands.pretrain`; modules of other packages count with their own files.
        root: Folder of the package.
    """
    return _version(tuple(modules), root)


@cache
def _version(modules: tuple[str, ...], root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(_reached(modules, root)):
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        digest.update(f"{name}\0".encode())
        digest.update(_read(path.read_bytes())[0].encode())
        # Trained weights lie beside the code that reads them.
        for data in sorted(path.parent.glob("*.safetensors")):
            digest.update(_content(data))
    return digest.hexdigest()


def _reached(modules: tuple[str, ...], root: Path) -> frozenset[Path]:
    found: set[Path] = set()
    waiting = [path for module in modules for path in (*_paths(module, root), *_foreign_paths(module))]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [other for module in _read(path.read_bytes())[1] for other in _paths(module, root)]
    return frozenset(found)


@cache
def _paths(module: str, root: Path) -> tuple[Path, ...]:
    """Finds the files of a module and of the packages around it."""
    package, *parts = module.split(".")
    if package != PACKAGE:
        return ()
    places = [root.joinpath(*parts[:length]) for length in range(len(parts) + 1)]
    files = [place / "__init__.py" for place in places] + [place.with_suffix(".py") for place in places[1:]]
    return tuple(file for file in files if file.is_file())


def _foreign_paths(module: str) -> list[Path]:
    """Finds the files of a module of another package, for example of a task of one's own."""
    if module.partition(".")[0] == PACKAGE:
        return []
    found = importlib.util.find_spec(module.partition(".")[0])
    if found is None or found.origin is None:
        return []
    origin = Path(found.origin)
    return sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]


@cache
def _read(source: bytes) -> tuple[str, tuple[str, ...]]:
    """Reduces a file to its code, without comments, docstrings and layout, and lists the names that it imports."""
    tree = ast.parse(source)
    names: list[str] = []
    for node in _statements(tree.body, run=True):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    for block in (tree, *_statements(tree.body)):
        if isinstance(block, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            block.body = [part for part in block.body if not _is_text(part)] or [ast.Pass()]
    return ast.unparse(tree), tuple(names)


def _statements(nodes: Iterable[ast.AST], run: bool = False) -> Iterator[ast.AST]:
    """Yields statements and those within them; with `run`, without names for annotations, which run nothing."""
    for node in nodes:
        yield node
        for field in ("body", "orelse", "handlers", "finalbody", "cases"):
            if not (run and field == "body" and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
                yield from _statements(getattr(node, field, ()), run)


@cache
def _content(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
