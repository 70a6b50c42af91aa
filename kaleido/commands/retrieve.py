"""`python -m kaleido retrieve`: texts for photos and photos for texts."""

import time
from pathlib import Path

from kaleido import configuration
from kaleido.backend import import_backend
from kaleido.retrieval.config import RetrieveConfig


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    config = configuration.parse(
        RetrieveConfig,
        argv,
        "python -m kaleido retrieve",
        "Ranks candidates by a model's matching head: texts for a photo, photos for a text.",
    )
    import_backend()
    import keras

    from kaleido.records.open import open_records
    from kaleido.retrieval.matching_model import load_matching_model
    from kaleido.retrieval.protocol import Retrieval
    from kaleido.retrieval.report import retrieval_results, write_retrieval
    from kaleido.retrieval.shortlist import shortlist_scorer
    from kaleido.tasks.matching.scorer import matching_scorer

    keras.config.set_dtype_policy(config.precision)
    records = open_records(Path(config.records), config.split)
    model = load_matching_model(Path(config.model), records, config.max_text_length)
    retrieval = Retrieval(config, bool(model.config.compatibility.raw_positions))
    scorer = matching_scorer(model, retrieval.gallery, config.batch_size)
    pairs = retrieval.pairs_to_score(config.shortlist)
    print(
        f"{config.protocol}: {pairs:,} pairs of {len(retrieval.gallery.text_ids):,} texts and "
        f"{len(retrieval.gallery.photo_ids):,} photos; about {_duration(pairs / scorer.rate())} here",
        flush=True,
    )
    begun = time.monotonic()
    if config.shortlist:
        first = shortlist_scorer(config, model, retrieval.gallery)
        found = retrieval.rank_shortlists(first, scorer, config.shortlist)
    else:
        found = retrieval.rank(scorer)
    about = {
        "model": config.model,
        "precision": config.precision,
        "pairs": pairs,
        "seconds": round(time.monotonic() - begun, 1),
        "shortlist": {"size": config.shortlist, "model": config.shortlist_model or config.model}
        if config.shortlist
        else None,
    }
    results = retrieval_results(retrieval, found, scorer.threshold, about)
    name = f"retrieval-{config.protocol}-{config.split}"
    print(write_retrieval(Path(config.output), name, results, retrieval, found))
    print(f"figures and scores are in {Path(config.output) / name}.json, .md and -scores.npz")
    return 0


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
