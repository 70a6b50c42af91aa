"""Runs retrieval by a saved model, from records to metrics."""

import os
import time
from pathlib import Path

from kaleido.app.model_folder import load_model
from kaleido.app.result import Result
from kaleido.backend import accelerators, keras
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.open import open_records
from kaleido.retrieval.config import RetrieveConfig
from kaleido.retrieval.protocol import Retrieval
from kaleido.retrieval.report import retrieval_result

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
    retrieval = Retrieval(config, saved.text_length, bool(saved.model.config.compatibility.raw_positions))
    gallery = retrieval.gallery
    batch_size = config.batch_size or (ACCELERATOR_BATCH if accelerators() else PROCESSOR_BATCH)
    create = {"head": saved.application.create_scorer, "embeddings": saved.application.create_shortlist_scorer}
    scorer = create[config.rank_by](saved, gallery, batch_size)
    pairs = retrieval.pairs_to_score(config.shortlist or 0)
    needed = retrieval.memory_bytes(scorer, config.shortlist or 0)
    seconds = pairs / scorer.rate()
    tqdm.write(
        f"{config.protocol}: {pairs:,} pairs of {len(gallery.text_ids):,} texts and {len(gallery.photo_ids):,} photos; "
        f"about {_duration(seconds)} here in batches of {batch_size:,}, and {needed / 1e9:.1f} GB beside the model"
    )
    _check_cost(seconds, needed, config.shortlist)
    begun = time.monotonic()
    shortlist = None
    if config.shortlist:
        first = load_model(Path(config.shortlist_model)) if config.shortlist_model else saved
        first.application.check_prepared(gallery.records, first.content, first.directory)
        quick = first.application.create_shortlist_scorer(first, gallery, batch_size)
        found = retrieval.rank_shortlists(quick, scorer, config.shortlist)
        shortlist = {"size": config.shortlist, "model": config.shortlist_model or config.model}
    else:
        found = retrieval.rank(scorer)
    about = {
        "model": config.model,
        "rank_by": config.rank_by,
        "precision": config.precision,
        "pairs": pairs,
        "seconds": round(time.monotonic() - begun, 1),
        "shortlist": shortlist,
    }
    return retrieval_result(retrieval, found, about)


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
