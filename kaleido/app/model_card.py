"""The model card: the `README.md` of a model folder."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import kaleido
from kaleido.app.registry import find_task
from kaleido.records.config import NO_TEXT

_TEMPLATE = Path(__file__).with_suffix(".md")
_SHOWN_LABELS = 20

_EXAMPLES = {
    "caption": 'model.caption(["photo.jpg"])',
    "classify": 'model.classify(["photo.jpg"], ["red dress"], top=3)',
    "match": 'model.match(["photo.jpg"], ["red dress"])',
    "encode_image": 'model.encode_image(["photo.jpg"]) @ model.encode_text(["red dress"]).T',
}


def model_card(content: Mapping[str, Any], metrics: Mapping[str, Any] | None = None) -> str:
    """Fills the model card's template.

    Args:
        content: `config.json` of the model.
        metrics: Metrics by name, of the evaluation after its training.
    """
    task, labels = find_task(content["task"]), content["labels"]
    architecture, processor = content["architecture"], content["processor"]
    sizes = [
        f"{architecture[key]:,} {name}"
        for key, name in (("num_layers", "layers"), ("hidden_size", "wide"), ("num_heads", "heads"))
        if key in architecture
    ]
    heads = f"; trained heads: {', '.join(content['heads'])}" if content["heads"] else ""
    shown = ", ".join(labels[:_SHOWN_LABELS]) + (", ..." if len(labels) > _SHOWN_LABELS else "")
    length = processor.get("text_length")
    lengths = {None: "not stated", NO_TEXT: "none, photos alone"}
    catalog = (content["records"].get("catalog") or {}).get("name")
    provided = [name for name in task.application.provides if name != "match" or "itm" in content["heads"]]
    example = next((line for name, line in _EXAMPLES.items() if name in provided), None)
    rows = [f"| {name} | {_shown(value)} |" for name, value in (metrics or {}).items()]
    values = {
        "name": f"{content['class']} ({content['task']})",
        "task": content["task"],
        "description": task.description,
        "version": kaleido.__version__,
        "architecture": f"{content['class']}: {', '.join(sizes)}{heads}",
        "backbone": processor.get("backbone") or "not stated",
        "text_length": lengths.get(length, f"{length} tokens, [CLS] and [SEP] included"),
        "labels": f"{len(labels)}: {shown}" if labels else "none",
        "data": f"the catalogue {catalog}" if catalog else "not stated",
        "example": example or 'model.predict(["photo.jpg"], ["red dress"])',
        "metrics": "\n".join(["| metric | value |", "|---|---:|", *rows]) if rows else "Not stated.",
    }
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(values)


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
