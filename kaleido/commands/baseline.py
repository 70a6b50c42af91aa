"""`python -m kaleido baseline`: what anyone would try first, on the same records and by the same protocols."""

from pathlib import Path

from kaleido import configuration
from kaleido.backend import import_backend
from kaleido.errors import UserError
from kaleido.tasks.baselines.config import RecognitionBaselineConfig, RetrievalBaselineConfig


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: python -m kaleido baseline retrieval|recognition ...\n\nEither with --help tells more.")
        raise SystemExit(0)
    if argv[0] not in BASELINES:
        raise UserError(f"there are baselines of {' and '.join(BASELINES)}. Received: {argv[0]}")
    return BASELINES[argv[0]](argv[1:])


def _retrieval(argv: list[str]) -> int:
    config = configuration.parse(
        RetrievalBaselineConfig,
        argv,
        "python -m kaleido baseline retrieval",
        "Trains a dual encoder (features of whole photos, bags of words) and ranks candidates by it.",
    )
    import_backend()
    from kaleido.retrieval.protocol import Retrieval
    from kaleido.retrieval.report import retrieval_results, write_retrieval
    from kaleido.tasks.baselines.retrieval import dual_encoder_of, dual_encoder_scorer

    retrieval = Retrieval(config)
    path = Path(config.output) / "dual_encoder.npz"
    scorer = dual_encoder_scorer(dual_encoder_of(config, path), retrieval.gallery)
    found = retrieval.rank(scorer)
    about = {"model": "dual encoder", "epochs": config.epochs, "seed": config.seed}
    results = retrieval_results(retrieval, found, scorer.threshold, about)
    name = f"retrieval-{config.protocol}-{config.split}"
    print(write_retrieval(Path(config.output), name, results, retrieval, found))
    print(f"the dual encoder is {path}; figures and scores are in {name}.json, .md and -scores.npz beside it")
    return 0


def _recognition(argv: list[str]) -> int:
    config = configuration.parse(
        RecognitionBaselineConfig,
        argv,
        "python -m kaleido baseline recognition",
        "Recognises a label by logistic regression on the features of whole photos.",
    )
    from kaleido.tasks.baselines.recognition import recognize
    from kaleido.tasks.baselines.report import write_recognition_baseline

    print(write_recognition_baseline(config, recognize(config)))
    return 0


BASELINES = {"retrieval": _retrieval, "recognition": _recognition}
