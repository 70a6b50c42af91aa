"""Finds ready configurations by name: in the working directory, in the checkout, or in the installed package."""

from pathlib import Path

from kaleido.errors import UserError

FOLDER = "configs"


def find_config(name: str | Path, kind: str = "") -> Path:
    """Finds the YAML file of a configuration.

    Args:
        name: A YAML file, or the name of a ready configuration.
        kind: Folder within `configs/` of ready ones, such as `presets`; empty for those of `--config`.

    Raises:
        UserError: if no ready configuration has this name; lists the known ones.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists() or len(path.parts) > 1:
        return path
    folders = _folders(kind)
    for folder in folders:
        if (found := folder / f"{name}.yaml").is_file():
            return found
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise UserError(
        f"no such {kind.removesuffix('s') or 'configuration'}; there are {', '.join(known) or 'none'}, or name a YAML "
        f"file. Received: {name}"
    )


def find_folder(kind: str) -> Path:
    """Finds the folder of all ready configurations of a kind, such as `experiments`.

    Raises:
        UserError: if this installation has none.
    """
    for folder in _folders(kind):
        if folder.is_dir():
            return folder
    raise UserError(f"this installation has no folder {FOLDER}/{kind}; name one")


def _folders(kind: str) -> list[Path]:
    package = Path(__file__).parent
    checkout = [package.parent / FOLDER / kind] if (package.parent / "pyproject.toml").is_file() else []
    # setup.py makes the checkout's `configs` the package's in a wheel.
    return [Path(FOLDER) / kind, *checkout, package / FOLDER / kind]
