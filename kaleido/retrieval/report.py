"""Report of retrieval: metrics with intervals as JSON and Markdown, and scores."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from kaleido.app.result import Result
from kaleido.retrieval.candidate_files import gallery_identity
from kaleido.retrieval.config import Direction
from kaleido.retrieval.protocol import Ranked, Retrieval
from kaleido.retrieval.ranks import CUTOFFS, RECALLS, Resampling, accuracy, area, rank_metrics, sum_recall

NAMES = {"i2t": "image to text", "t2i": "text to image"}

_HEADER = ("", "queries", "candidates", *RECALLS, "mean rank", "accuracy", "AUC")


def retrieval_result(retrieval: Retrieval, found: Mapping[Direction, Ranked], about: Mapping[str, Any]) -> Result:
    """Computes the metrics of a protocol with their intervals.

    The files are `retrieval-PROTOCOL-SPLIT.json`, `.md` and `-scores.npz`. `metrics` has the names `DIRECTION/NAME` and
    `SumR`; SumR is in percent, ranks are from 1, all others are shares in 0..1.

    Args:
        retrieval: Protocol.
        found: Ranked lists by direction.
        about: Further facts for the report, in JSON types, for example the model.
    """
    config, gallery = retrieval.config, retrieval.gallery
    resampling = Resampling(np.concatenate([ranked.products for ranked in found.values()]), config.resamples)
    drawn = config.protocol == "random100"
    results = {
        **about,
        "records": {
            "catalog": (gallery.records.metadata.get("catalog") or {}).get("name"),
            **gallery_identity(gallery),
        },
        "protocol": config.protocol,
        "text": config.text,
        "twins": {"mode": retrieval.twins.mode, "products": len(gallery.text_ids), **retrieval.twins.counts},
        "candidates": asdict(config.candidates_config) if drawn else {},
        "lists": retrieval.lists_path.name if retrieval.lists_path else None,
        "resamples": config.resamples,
        "directions": {direction: _direction(ranked, resampling) for direction, ranked in found.items()},
    }
    metrics = {
        f"{direction}/{name}": value["value"]
        for direction, content in results["directions"].items()
        for name, value in content.items()
        if isinstance(value, dict) and "value" in value
    }
    if len(found) > 1:
        queries = [(ranked.ranks, ranked.products) for ranked in found.values()]
        results["SumR"] = asdict(sum_recall(queries, resampling))
        metrics["SumR"] = results["SumR"]["value"]
    table, name = retrieval_table(results), f"retrieval-{config.protocol}-{config.split}"
    files = {
        f"{name}.md": table.encode() + b"\n",
        f"{name}-scores.npz": _scores(retrieval, found),
        f"{name}.json": json.dumps(results, indent=1).encode() + b"\n",
    }
    return Result(metrics, table, files)


def _direction(ranked: Ranked, resampling: Resampling) -> dict[str, Any]:
    metrics = rank_metrics(ranked.ranks, ranked.products, resampling)
    if ranked.hits is not None:
        metrics["accuracy"] = accuracy(ranked.hits, ranked.products, resampling)
    if ranked.scored and not ranked.scored.labels.all():
        metrics["AUC"] = area(ranked.scored, resampling)
    content = {
        "queries": len(ranked.lists),
        "candidates": [int(ranked.candidates.min()), int(ranked.candidates.max())],
        **ranked.lists.notes,
        **{name: asdict(metric) for name, metric in metrics.items()},
    }
    repeats = np.unique(ranked.lists.repeats)
    if len(repeats) > 1:
        for k in CUTOFFS:
            shares = [(ranked.ranks[ranked.lists.repeats == repeat] <= k).mean() for repeat in repeats]
            content[f"R@{k}"]["deviation"] = float(np.std(shares, ddof=1))
    return content


def _scores(retrieval: Retrieval, found: Mapping[Direction, Ranked]) -> bytes:
    """Packs the lists with the scores that were kept, and the ranks, into an `.npz`."""
    arrays = {"text_ids": np.array(retrieval.gallery.text_ids), "photo_ids": np.array(retrieval.gallery.photo_ids)}
    for direction, ranked in found.items():
        lists = ranked.lists
        columns = {"query": lists.queries, "repeat": lists.repeats, "offset": lists.offsets, "rank": ranked.ranks}
        columns |= {"candidate": lists.candidates, "label": lists.labels, "score": ranked.scores}
        arrays |= {f"{direction}_{column}": values for column, values in columns.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def retrieval_table(results: Mapping[str, Any]) -> str:
    """Formats the metrics as a Markdown table, with 95 % intervals in brackets and deviations over repeats.

    All metrics but the mean rank are in percent.
    """
    rows = [f"| {' | '.join(_HEADER)} |", f"|---|{'---:|' * (len(_HEADER) - 1)}"]
    for direction, content in results["directions"].items():
        low, high = content["candidates"]
        cells = [NAMES[direction], f"{content['queries']:,}", f"{low:,}" if low == high else f"{low:,} to {high:,}"]
        cells += [_percent(content[recall]) for recall in RECALLS]
        cells += [_cell(content["mean_rank"], 1), _percent(content.get("accuracy")), _percent(content.get("AUC"))]
        rows.append(f"| {' | '.join(cells)} |")
    if "SumR" in results:
        rows += ["", f"SumR {_cell(results['SumR'], 1)}"]
    rows += ["", _description(results)]
    return "\n".join(rows)


def _description(results: Mapping[str, Any]) -> str:
    """Describes the protocol and its settings in a sentence."""
    parts = [f"Protocol {results['protocol']} on the {results['records']['split']} products"]
    if drawn := results["candidates"]:
        parts.append(
            f"{drawn['negatives']} negatives of the same {drawn['label']} by {drawn['level']}, "
            f"{drawn['repeats']} repeats, seed {drawn['seed']}"
        )
        first = next(iter(results["directions"].values()))
        if filled := first.get("queries_filled_from_category"):
            parts.append(f"{filled:,} queries of a small {drawn['label']} filled from the category")
        if left_out := first.get("products_left_out"):
            parts.append(f"{left_out:,} products of a small {drawn['label']} left out as queries")
    parts.append(_twins(results["twins"]))
    parts.append(f"text: {'title and description' if results['text'] == 'both' else results['text']}")
    return "; ".join(parts) + "."


def _twins(twins: Mapping[str, Any]) -> str:
    done = {
        "leave_out": "left out of the candidates",
        "right": "counted as right",
        "wrong": "counted as wrong",
    }[twins["mode"]]
    if twins["mode"] == "wrong":
        return f"candidates of another product with the query's text or photo {done}"
    return (
        f"{twins['text']:,} of {twins['products']:,} products share their text and {twins['photo']:,} a photo with "
        f"another product, whose candidates are {done}"
    )


def _percent(metric: Mapping[str, float] | None) -> str:
    return "" if metric is None else _cell({name: 100 * value for name, value in metric.items()}, 2)


def _cell(metric: Mapping[str, float], digits: int) -> str:
    deviation = f" ± {metric['deviation']:.{digits}f}" if "deviation" in metric else ""
    return f"{metric['value']:.{digits}f}{deviation} [{metric['low']:.{digits}f}, {metric['high']:.{digits}f}]"
