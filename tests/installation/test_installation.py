import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import kaleido
from kaleido.installation import name_clash

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "urllib3": "requests",
    "botocore": "boto3",
    "starlette": "fastapi",
    "pydantic": "fastapi",
}
"""What brings a module, where the name is another one."""


def test_each_imported_package_is_required_by_the_base_or_by_an_extra_of_the_users():
    required = names(PROJECT["dependencies"])
    for extra in ("train", "catalog", "search", "doctor", "serve", "export", "s3", "heif", "jax", "twin", "cluster"):
        required |= names(PROJECT["optional-dependencies"][extra])
    for module, path in imported_modules():
        assert DISTRIBUTIONS.get(module, module.replace("_", "-")) in required, f"{path} imports {module}"


def test_another_distribution_with_our_files_is_named(tmp_path):
    package = tmp_path / "kaleido"
    package.mkdir()
    assert name_clash(package) is None
    ours, theirs = tmp_path / "kaleido_bert-0.2.0.dist-info", tmp_path / "kaleido-1.5.0.dist-info"
    for folder in (ours, theirs):
        folder.mkdir()
        (folder / "RECORD").write_text("kaleido/__init__.py,sha256=a,1\n")
    message = name_clash(package)
    assert str(theirs) in message and "uninstall kaleido" in message and "\n" not in message
    # An editable installation of that name has no files of the package: nothing is overwritten.
    (theirs / "RECORD").write_text("__editable__.kaleido-0.1.0.pth,sha256=a,1\n")
    assert name_clash(package) is None


def test_this_installation_has_no_clash():
    assert name_clash() is None


@pytest.mark.parametrize(
    "files",
    [
        # The other package instead of this one, as it hides an editable installation.
        {"__init__.py": "class Kaleido: pass", "errors.py": "class KaleidoError(Exception): pass"},
        # The other one was uninstalled, and shared files with it.
        {"commands/__init__.py": ""},
    ],
    ids=["hidden", "removed"],
)
def test_the_command_says_in_one_line_that_another_package_has_the_name(files, tmp_path):
    for name, text in files.items():
        path = tmp_path / "kaleido" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "kaleido_bert.py").write_text((ROOT / "kaleido_bert.py").read_text())
    # -S: without what is installed, this package among it.
    result = run_command(tmp_path, "-S")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.count("\n") == 1 and str(tmp_path / "kaleido") in result.stderr
    assert "uninstall kaleido" in result.stderr


def test_the_command_warns_where_it_has_replaced_the_other_package(tmp_path):
    (tmp_path / "kaleido").symlink_to(ROOT / "kaleido")
    (tmp_path / "kaleido_bert.py").symlink_to(ROOT / "kaleido_bert.py")
    (tmp_path / "kaleido-1.5.0.dist-info").mkdir()
    (tmp_path / "kaleido-1.5.0.dist-info" / "RECORD").write_text("kaleido/__init__.py,sha256=a,1\n")
    result = run_command(tmp_path)
    assert result.returncode == 0 and "pretrain" in result.stdout
    assert result.stderr.startswith("kaleido: warning: ") and result.stderr.count("\n") == 1


def test_the_library_warns_where_it_has_replaced_the_other_package(tmp_path):
    (tmp_path / "kaleido").symlink_to(ROOT / "kaleido")
    (tmp_path / "kaleido-1.5.0.dist-info").mkdir()
    (tmp_path / "kaleido-1.5.0.dist-info" / "RECORD").write_text("kaleido/__init__.py,sha256=a,1\n")
    code = "import kaleido; kaleido.Catalog; kaleido.Records; kaleido.Catalog"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0 and result.stderr.count("another distribution") == 1, result.stderr


def test_the_command_runs_where_the_name_is_ours():
    result = run_command(ROOT)
    assert result.returncode == 0 and "pretrain" in result.stdout and result.stderr == ""


def run_command(folder, *options):
    code = "import kaleido_bert, sys; sys.argv = ['kaleido', '--help']; kaleido_bert.main()"
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def names(requirements):
    return {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}


def imported_modules():
    for path in (ROOT / "kaleido").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found = [node.module]
            else:
                continue
            for name in found:
                module = name.partition(".")[0]
                if module not in sys.stdlib_module_names and module != "kaleido":
                    yield module, path


def test_the_version_is_the_same_everywhere():
    assert f"\nversion: {kaleido.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## [{kaleido.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
