"""What is installed: extras that are missing, and the other package named `kaleido`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaleido.errors import UserError

EXTRAS = {
    "array_record": "train",
    "matplotlib": "train",
    "numba": "train",
    "pycocoevalcap": "train",
    "sklearn": "train",
    "tensorboard": "train",
    "tensorflow_datasets": "train",
    "h5py": "catalog",
    "joblib": "catalog",
    "boto3": "s3",
    "botocore": "s3",
    "jax": "jax",
}
"""Modules that no base requirement brings, and the extra that does."""


def missing_extra(error: ModuleNotFoundError) -> UserError | None:
    """Gives the error that names the extra to install, or None if no extra brings the missing module."""
    module = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(module)
    if extra is None:
        return None
    return UserError(f"{module} is not installed; the extra {extra} brings it: pip install 'kaleido-bert[{extra}]'")


@contextmanager
def extras_named() -> Iterator[None]:
    """Turns the failed import of a module that an extra brings into a `UserError` that names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        if message := missing_extra(error):
            raise message from None
        raise


def name_clash(package: Path = Path(__file__).parent) -> str | None:
    """Says in one line that another distribution called `kaleido` is installed over this package; None if none is.

    On PyPI that name belongs to Plotly's exporter, whose package has the same import name. Files of the two overwrite
    each other: whichever is installed last works, as far as it goes. Where the other one came last, `import kaleido`
    does not reach this code, and the `kaleido` command says so (`kaleido_bert.py`).
    """
    for record in package.parent.glob("kaleido-*.dist-info/RECORD"):
        if f"\n{package.name}/__init__.py," in f"\n{record.read_text(encoding='utf-8')}":
            return (
                f"another distribution named kaleido ({record.parent.name}, Plotly's exporter?) is installed in the "
                "same place and has files of the same names, so it is broken now, and the next change of either breaks "
                "this one; keep them in separate environments, or: pip uninstall kaleido; "
                "pip install --force-reinstall --no-deps kaleido-bert"
            )
    return None
