"""What chooses the candidates that a matching head ranks."""

from pathlib import Path

from kaleido.errors import UserError
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.retrieval.config import RetrieveConfig
from kaleido.retrieval.cosine_scorer import CosineScorer, towers_scorer
from kaleido.retrieval.gallery import Gallery
from kaleido.tasks.baselines.retrieval import dual_encoder_scorer, load_dual_encoder
from kaleido.tasks.matching.matcher import Matcher
from kaleido.tasks.matching.two_tower import Towers


def shortlist_scorer(config: RetrieveConfig, model: KaleidoBert | Matcher | Towers, gallery: Gallery) -> CosineScorer:
    """The dual encoder that the configuration names, or the model's own towers.

    Raises:
        UserError: if there is neither, or the dual encoder is of other records.
    """
    if config.shortlist_model:
        return dual_encoder_scorer(load_dual_encoder(Path(config.shortlist_model), gallery), gallery)
    if isinstance(model, Towers):
        return towers_scorer(model, gallery, config.batch_size)
    if isinstance(model, Matcher):
        return towers_scorer(model.towers, gallery, config.batch_size)
    raise UserError(
        f"{config.model}: this model has no towers to make a shortlist; name a dual encoder in "
        "shortlist_model, or fine-tune with retrieval_config.towers"
    )
