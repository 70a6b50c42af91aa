"""Names the extra of the distribution that a missing package belongs to."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires

from kaleido.errors import UserError

DISTRIBUTION = "kaleido-bert"

_NAMES = {"pil": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Names of distributions by the names of their modules, where they differ."""

_SHOWN = ("train", "catalog", "search", "doctor", "s3", "cluster", "heif", "serve", "jax", "gpu", "export", "twin")
"""Extras that users install, the smallest first."""


@contextmanager
def missing_extras_named() -> Iterator[None]:
    """Turns the failed import of one of the distribution's packages into an error that names its extra.

    Raises:
        UserError: instead of the ModuleNotFoundError.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if message := _message(error.name or ""):
            raise UserError(message) from error
        raise


def _message(module: str) -> str | None:
    top = module.partition(".")[0].lower()
    package = _NAMES.get(top, top.replace("_", "-"))
    try:
        requirements = requires(DISTRIBUTION) or []
    except PackageNotFoundError:  # a checkout that was not installed
        return None
    names = (re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-") for requirement in requirements)
    lines = [line for line, name in zip(requirements, names, strict=True) if name == package]
    if not lines:
        return None
    extra = next((extra for extra in _SHOWN if any(re.search(f"extra == .{extra}.", line) for line in lines)), "")
    return f"this needs {package}: pip install '{DISTRIBUTION}{extra and f'[{extra}]'}'"
