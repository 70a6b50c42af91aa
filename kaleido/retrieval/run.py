"""Runs retrieval by a saved model, from records to metrics."""

import time
from pathlib import Path

from kaleido.app.model_folder import load_model
from kaleido.app.result import Result
from kaleido.backend import keras
from kaleido.progress import tqdm
from kaleido.records.open import open_records
from kaleido.retrieval.config import RetrieveConfig
from kaleido.retrieval.protocol import Retrieval
from kaleido.retrieval.report import retrieval_result


def retrieve(config: RetrieveConfig) -> Result:
    """Ranks the candidates of a protocol with a saved model.

    Raises:
        UserError: if the model cannot match texts and photos, or its backbone or vocabulary is not that of the records.
    """
    keras.config.set_dtype_policy(config.precision)
    saved = load_model(Path(config.model))
    saved.application.check_prepared(open_records(Path(config.records), config.split), saved.content, saved.directory)
    retrieval = Retrieval(config, saved.text_length, bool(saved.model.config.compatibility.raw_positions))
    gallery = retrieval.gallery
    scorer = saved.application.create_scorer(saved, gallery, config.batch_size)
    pairs = retrieval.pairs_to_score(config.shortlist or 0)
    tqdm.write(
        f"{config.protocol}: {pairs:,} pairs of {len(gallery.text_ids):,} texts and {len(gallery.photo_ids):,} photos; "
        f"about {_duration(pairs / scorer.rate())} here"
    )
    begun = time.monotonic()
    shortlist = None
    if config.shortlist:
        first = load_model(Path(config.shortlist_model)) if config.shortlist_model else saved
        first.application.check_prepared(gallery.records, first.content, first.directory)
        quick = first.application.create_shortlist_scorer(first, gallery, config.batch_size)
        found = retrieval.rank_shortlists(quick, scorer, config.shortlist)
        shortlist = {"size": config.shortlist, "model": config.shortlist_model or config.model}
    else:
        found = retrieval.rank(scorer)
    about = {
        "model": config.model,
        "precision": config.precision,
        "pairs": pairs,
        "seconds": round(time.monotonic() - begun, 1),
        "shortlist": shortlist,
    }
    return retrieval_result(retrieval, found, scorer.threshold, about)


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
