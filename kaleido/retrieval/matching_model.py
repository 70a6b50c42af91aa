"""A saved model, and whether it reads the records that it is to be used on."""

from pathlib import Path

from kaleido.app.model_folder import load_model, read_model_config
from kaleido.errors import UserError
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.records.reader import SplitRecords
from kaleido.tasks.matching.matcher import Matcher
from kaleido.tasks.matching.two_tower import Towers

_PREPARATION = {
    "backbone": lambda metadata: metadata.get("backbone"),
    "vocabulary": lambda metadata: (metadata.get("vocabulary") or {}).get("sha256"),
}


def load_matching_model(directory: Path, records: SplitRecords, max_text_length: int) -> KaleidoBert | Matcher | Towers:
    """Loads a model that scores (text, photo) pairs.

    Args:
        directory: A run's `model` folder.
        records: That it shall read.
        max_text_length: Text positions that it must have.

    Raises:
        UserError: if it was not trained to match, or is of another backbone, feature size or vocabulary.
    """
    content = read_model_config(directory)
    if not {"itm", "contrastive"} & set(content["tasks"]):
        raise UserError(
            f"{directory}: this model was not trained to match texts and photos (task itm or contrastive). "
            f"Received: {', '.join(content['tasks'])}"
        )
    for name, of in _PREPARATION.items():
        saved, prepared = of(content["records"]), of(records.metadata)
        if saved and prepared and saved != prepared:
            raise UserError(
                f"{directory}: the model's {name} is {saved[:40]} and that of {records.directory} {prepared[:40]}; "
                f"prepare the catalogue with the model's {name}"
            )
    sizes = {"feature_size": records.feature_size}
    if vocabulary := records.metadata.get("vocabulary"):
        sizes["vocab_size"] = vocabulary["size"]
    for name, size in sizes.items():
        if content["model"][name] != size:
            raise UserError(
                f"{directory}: the model's {name} is {content['model'][name]} and that of {records.directory} {size}; "
                "prepare the catalogue with the model's backbone and vocabulary"
            )
    if max_text_length > content["model"]["max_position_embeddings"]:
        raise UserError(
            f"{directory}: the model reads {content['model']['max_position_embeddings']} text positions at most. "
            f"Received: max_text_length {max_text_length}"
        )
    return load_model(directory)
