"""Report of retrieval: metrics with intervals as JSON and Markdown, and scores."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from kaleido.app.result import Result
from kaleido.retrieval.candidate_files import gallery_identity
from kaleido.retrieval.config import Direction
from kaleido.retrieval.protocol import Ranked, Retrieval
from kaleido.retrieval.ranks import CUTOFFS, RECALLS, Resampling, area, mean_value, rank_metrics, sum_recall

NAMES = {"i2t": "image to text", "t2i": "text to image"}

_HEADER = ("", "queries", "candidates", *RECALLS, "mean rank", "accuracy", "AUC")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ranked candidates of a protocol.

    Attributes:
        retrieval: Protocol.
        found: Ranked lists by direction.
        about: Facts for the report that concern these alone, in JSON types.
    """

    retrieval: Retrieval
    found: Mapping[Direction, Ranked]
    about: Mapping[str, Any] = field(default_factory=dict)


def retrieval_result(rankings: Sequence[Ranking], about: Mapping[str, Any]) -> Result:
    """Computes the metrics of a protocol with their intervals.

    The files are `retrieval-PROTOCOL-SPLIT.json`, `.md` and `-scores.npz`. `metrics` has the names `DIRECTION/NAME` and
    `SumR`; SumR is in percent, ranks are from 1, all others are shares in 0..1. With distractors there are
    `distractors/DIRECTION/NAME` and so on besides, and a second file of scores.

    Args:
        rankings: The protocol without distractors and, if there are any, with them.
        about: Further facts for the report, in JSON types, for example the model.
    """
    plain, *others = rankings
    config = plain.retrieval.config
    results, name = {**about, **_content(plain)}, f"retrieval-{config.protocol}-{config.split}"
    metrics = _values(results)
    files = {f"{name}-scores.npz": _scores(plain)}
    for wide in others:
        results["distractors"] = {"split": wide.retrieval.config.distractors, **_content(wide)}
        metrics |= {f"distractors/{key}": value for key, value in _values(results["distractors"]).items()}
        files[f"{name}-distractors-scores.npz"] = _scores(wide)
    table = retrieval_table(results)
    files |= {f"{name}.md": table.encode() + b"\n", f"{name}.json": json.dumps(results, indent=1).encode() + b"\n"}
    return Result(metrics, table, files)


def _content(ranking: Ranking) -> dict[str, Any]:
    """Computes what the JSON file says of a ranking."""
    retrieval, found = ranking.retrieval, ranking.found
    config, gallery = retrieval.config, retrieval.gallery
    resampling = Resampling(np.concatenate([ranked.products for ranked in found.values()]), config.resamples)
    content = {
        **ranking.about,
        "records": {
            "catalog": (gallery.records.metadata.get("catalog") or {}).get("name"),
            **gallery_identity(gallery),
        },
        "protocol": config.protocol,
        "text": config.text,
        "twins": {"mode": retrieval.twins.mode, "products": len(gallery.text_ids), **retrieval.twins.counts},
        "candidates": asdict(config.candidates_config) if config.protocol == "random100" else {},
        "lists": retrieval.lists_path.name if retrieval.lists_path else None,
        "resamples": config.resamples,
        "directions": {direction: _direction(ranked, resampling) for direction, ranked in found.items()},
    }
    if len(found) > 1:
        queries = [(ranked.ranks, ranked.products) for ranked in found.values()]
        content["SumR"] = asdict(sum_recall(queries, resampling))
    return content


def _values(content: Mapping[str, Any]) -> dict[str, float]:
    """Lists the values of the metrics by name."""
    metrics = {
        f"{direction}/{name}": value["value"]
        for direction, of_direction in content["directions"].items()
        for name, value in of_direction.items()
        if isinstance(value, dict) and "value" in value
    }
    return metrics | ({"SumR": content["SumR"]["value"]} if "SumR" in content else {})


def _direction(ranked: Ranked, resampling: Resampling) -> dict[str, Any]:
    metrics = rank_metrics(ranked.ranks, ranked.products, resampling)
    if ranked.hits is not None:
        metrics["accuracy"] = mean_value(ranked.hits, ranked.products, resampling)
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


def _scores(ranking: Ranking) -> bytes:
    """Packs the lists with the scores that were kept, and the ranks, into an `.npz`."""
    gallery = ranking.retrieval.gallery
    arrays = {"text_ids": np.array(gallery.text_ids), "photo_ids": np.array(gallery.photo_ids)}
    for direction, ranked in ranking.found.items():
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
    wide = results.get("distractors")
    among = f", among the {wide['split']} products too" if wide else ""
    for content, suffix in ((results, ""), *([(wide, among)] if wide else [])):
        rows += [_row(NAMES[direction] + suffix, row) for direction, row in content["directions"].items()]
    if "SumR" in results:
        rows += ["", f"SumR {_cell(results['SumR'], 1)}"]
        rows[-1] += f"{among}: {_cell(wide['SumR'], 1)}" if wide else ""
    rows += ["", _description(results)]
    return "\n".join(rows)


def _row(title: str, content: Mapping[str, Any]) -> str:
    low, high = content["candidates"]
    cells = [title, f"{content['queries']:,}", f"{low:,}" if low == high else f"{low:,} to {high:,}"]
    cells += [_percent(content[recall]) for recall in RECALLS]
    cells += [_cell(content["mean_rank"], 1), _percent(content.get("accuracy")), _percent(content.get("AUC"))]
    return f"| {' | '.join(cells)} |"


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
    if results.get("bank"):
        parts.append(f"cosines normalised by the {results['bank']} products")
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
