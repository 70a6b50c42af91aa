"""Runs retrieval by a saved model, from records to metrics."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.app.model_folder import SavedModel, load_model
from kaleido.app.result import Result
from kaleido.backend import accelerators, keras
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.folder import Records
from kaleido.records.open import open_records
from kaleido.retrieval.config import RetrieveConfig
from kaleido.retrieval.cosine_scorer import CosineScorer
from kaleido.retrieval.gallery import Gallery, open_gallery
from kaleido.retrieval.kagl import QueryGallery, kagl_result, query_splits, rank_queries, read_queries
from kaleido.retrieval.protocol import Retrieval
from kaleido.retrieval.report import Ranking, retrieval_result

PROCESSOR_BATCH, ACCELERATOR_BATCH = 64, 1024
"""Pairs per step by device. A batch of the base model in bfloat16 is some 11 TFLOP at 1,024 pairs, which takes an
accelerator many times as long as starting it; at 64 it does not."""

LONG = 86400.0
"""Seconds from which on a warning names a cheaper way."""


def retrieve(config: RetrieveConfig) -> Result:
    """Ranks the candidates of a protocol with a saved model.

    Raises:
        UserError: if the model cannot match texts and photos, or its backbone or vocabulary is not that of the records.
    """
    keras.config.set_dtype_policy(config.precision)
    saved = load_model(Path(config.model))
    saved.application.check_prepared(open_records(Path(config.records), config.split), saved.content, saved.directory)
    shortlist = {"size": config.shortlist, "model": config.shortlist_model or config.model}
    about = {
        "model": config.model,
        "rank_by": config.rank_by,
        "precision": config.precision,
        "shortlist": shortlist if config.shortlist else None,
        "bank": config.bank,
    }
    raw_positions = bool(saved.model.config.compatibility.raw_positions)
    if config.protocol == "kagl":
        return _answer_queries(saved, config, raw_positions, about)
    rankings = [
        _ranking(Retrieval(one, saved.text_length, raw_positions), saved, config) for one in config.with_distractors()
    ]
    return retrieval_result(rankings, about)


def _ranking(retrieval: Retrieval, saved: SavedModel, config: RetrieveConfig) -> Ranking:
    """Ranks the candidates of one protocol and says before what it takes."""
    gallery, size = retrieval.gallery, config.shortlist or 0
    batch_size = _batch_size(config)
    scorer = _scorer(saved, gallery, config)
    pairs, needed = retrieval.pairs_to_score(size), retrieval.memory_bytes(scorer, size)
    seconds = pairs / scorer.rate()
    among = f", with those of {retrieval.config.distractors}" if retrieval.config.distractors else ""
    tqdm.write(
        f"{config.protocol}: {pairs:,} pairs of {len(gallery.text_ids):,} texts and {len(gallery.photo_ids):,} photos"
        f"{among}; about {_duration(seconds)} here in batches of {batch_size:,}, and {needed / 1e9:.1f} GB beside the "
        "model"
    )
    _check_cost(seconds, needed, config.shortlist)
    begun = time.monotonic()
    if size:
        found = retrieval.rank_shortlists(_first_stage(saved, gallery, config), scorer, size)
    else:
        found = retrieval.rank(scorer)
    return Ranking(retrieval, found, {"pairs": pairs, "seconds": round(time.monotonic() - begun, 1)})


def _answer_queries(saved: SavedModel, config: RetrieveConfig, raw_positions: bool, about: dict[str, Any]) -> Result:
    """Ranks the photos of all splits for the queries of a file (protocol `kagl`)."""
    records = Records(config.records)
    known = {id for split in records.splits for id in records.open(split).product_ids()}
    queries, left_out = read_queries(Path(config.queries or ""), known)
    gallery = QueryGallery(records, queries, saved.text_length, raw_positions)
    scorer, size = _scorer(saved, gallery, config), config.shortlist or 0
    pairs = len(queries) * (size or len(gallery.photo_ids))
    _check_cost(pairs / scorer.rate(), 4 * pairs, config.shortlist)
    stages = (_first_stage(saved, gallery, config), scorer) if size else (scorer, None)
    tests = np.flatnonzero(query_splits(gallery) == "test")
    ranked = rank_queries(gallery, *stages, size)
    alone = rank_queries(gallery, *stages, size, tests, gallery.splits == "test")
    return kagl_result(gallery, ranked, alone, left_out, config.resamples, about)


def _batch_size(config: RetrieveConfig) -> int:
    return config.batch_size or (ACCELERATOR_BATCH if accelerators() else PROCESSOR_BATCH)


def _scorer(saved: SavedModel, gallery: Gallery, config: RetrieveConfig) -> Any:
    """Makes the scorer that ranks."""
    create = {"head": saved.application.create_scorer, "embeddings": saved.application.create_shortlist_scorer}
    return _normalised(create[config.rank_by], saved, gallery, config)


def _first_stage(saved: SavedModel, gallery: Gallery, config: RetrieveConfig) -> Any:
    """Makes the scorer that chooses shortlists."""
    first = load_model(Path(config.shortlist_model)) if config.shortlist_model else saved
    first.application.check_prepared(gallery.records, first.content, first.directory)
    return _normalised(first.application.create_shortlist_scorer, first, gallery, config)


def _normalised(create: Callable[..., Any], saved: SavedModel, gallery: Gallery, config: RetrieveConfig) -> Any:
    """Makes a scorer, whose cosines a bank normalises if the configuration names one."""
    scorer = create(saved, gallery, _batch_size(config))
    if config.bank and isinstance(scorer, CosineScorer):
        raw_positions = bool(saved.model.config.compatibility.raw_positions)
        bank = open_gallery(open_records(Path(config.records), config.bank), saved.text_length, raw_positions)
        scorer.normalise(create(saved, bank, _batch_size(config)))
    return scorer


def _check_cost(seconds: float, needed: float, shortlist: int | None) -> None:
    """Warns of a retrieval of days, and refuses one that needs more than the machine's memory."""
    cheaper = (
        "reduce shortlist" if shortlist else "let a two-tower model choose candidates, for example --shortlist 100"
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise UserError(
            f"the scores would take {needed / 1e9:,.0f} GB, more than this machine's memory; {cheaper}. "
            f"Received: {memory / 1e9:,.0f} GB"
        )
    if seconds > LONG:
        tqdm.write(f"warning: this takes about {_duration(seconds)}; {cheaper}, or use an accelerator")


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
