"""Kaleido: vision-language pre-training for fashion (Kaleido-BERT, CVPR 2021) on Keras 3.

The names of `__all__` are the public API. They are imported when they are first used, so that `import kaleido` takes
milliseconds and needs no deep-learning framework.
"""

import functools
import importlib
import warnings
from typing import TYPE_CHECKING, Any

from kaleido.errors import UserError
from kaleido.installation import name_clash

if TYPE_CHECKING:
    from kaleido.alignment.align import align
    from kaleido.alignment.explanation import explain
    from kaleido.catalog.catalog import Catalog
    from kaleido.checkup.examine import doctor
    from kaleido.pretrained import model_zoo
    from kaleido.pretrained.evaluation import evaluate
    from kaleido.pretrained.hub import list_models, load
    from kaleido.pretrained.model import Model
    from kaleido.pretrained.training import finetune, pretrain
    from kaleido.records.folder import Records
    from kaleido.records.prepare import prepare
    from kaleido.search.index import Index
    from kaleido.search.tags import tag
    from kaleido.search.vectors import embed

__version__ = "0.2.0"

__all__ = [
    "Catalog",
    "Index",
    "Model",
    "Records",
    "UserError",
    "__version__",
    "align",
    "doctor",
    "embed",
    "evaluate",
    "explain",
    "finetune",
    "list_models",
    "load",
    "model_zoo",
    "prepare",
    "pretrain",
    "tag",
]

_MODULES = {
    "Catalog": "kaleido.catalog.catalog",
    "Index": "kaleido.search.index",
    "Model": "kaleido.pretrained.model",
    "Records": "kaleido.records.folder",
    "align": "kaleido.alignment.align",
    "doctor": "kaleido.checkup.examine",
    "embed": "kaleido.search.vectors",
    "evaluate": "kaleido.pretrained.evaluation",
    "explain": "kaleido.alignment.explanation",
    "finetune": "kaleido.pretrained.training",
    "list_models": "kaleido.pretrained.hub",
    "load": "kaleido.pretrained.hub",
    "model_zoo": "kaleido.pretrained",
    "prepare": "kaleido.records.prepare",
    "pretrain": "kaleido.pretrained.training",
    "tag": "kaleido.search.tags",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _warn_of_clash()
    module = importlib.import_module(_MODULES[name])
    found = importlib.import_module(f"{module.__name__}.{name}") if name == "model_zoo" else getattr(module, name)
    globals()[name] = found
    return found


@functools.cache
def _warn_of_clash() -> None:
    """Warns once that Plotly's package of this name lies here too; libraries may reset what was warned of."""
    if message := name_clash():
        warnings.warn(message, stacklevel=3)


def __dir__() -> list[str]:
    return sorted(__all__)
