"""Examines a catalogue: `kaleido doctor`."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido import configuration
from kaleido.atomic import refusals_named
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import Product
from kaleido.checkup.agreement import ENOUGH, Evidence, bag_of_words, fold_of, gather, label_findings, mismatch_findings
from kaleido.checkup.damages import DAMAGES
from kaleido.checkup.duplicates import duplicate_findings
from kaleido.checkup.finding import KINDS, Finding
from kaleido.checkup.photo_faults import FEWEST, learn_strokes, photo_findings
from kaleido.checkup.report import PAGE, TABLE, write_report
from kaleido.checkup.scan import scan
from kaleido.checkup.texts import text_findings
from kaleido.checkup.thresholds import Thresholds
from kaleido.errors import UserError
from kaleido.extras import missing_extras_named
from kaleido.pretrained.hub import load
from kaleido.progress import progress_bars
from kaleido.search.encoder import model_checksum
from kaleido.search.products import Products, open_products
from kaleido.search.vectors import Vectors, embed

if TYPE_CHECKING:
    from kaleido.pretrained.model import Model

VECTORS = "vectors.parquet"
LABELS = ("category", "subcategory")
_CLUSTERS = 24
_NAMED = 20


@dataclass(frozen=True)
class Report:
    """Findings in a catalogue, with counts and files.

    Attributes:
        directory: Folder with `report.html`, `findings.csv` and, where they were made, the vectors.
        findings: All findings: the kinds in the order of the report, the surest of a kind first.
        products: Number of products.
        photos: Number of photos.
        notes: What was left out, and why, a line each.
    """

    directory: Path
    findings: Sequence[Finding]
    products: int
    photos: int
    notes: Sequence[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings of each kind."""
        counted = Counter(finding.kind for finding in self.findings)
        return {kind: counted[kind] for kind in KINDS}

    def __str__(self) -> str:
        lines = [f"{kind:<18} {count:>7,}" for kind, count in self.counts.items()]
        return "\n".join([*lines, f"{self.directory / PAGE} shows them, and {self.directory / TABLE} lists them."])


def doctor(
    catalog: str | os.PathLike[str] | Catalog,
    model: "str | os.PathLike[str] | Model | None" = None,
    out: str | os.PathLike[str] = "report",
    *,
    vectors: str | os.PathLike[str] | Vectors | None = None,
    labels: Sequence[str] | None = None,
    thresholds: Thresholds | Mapping[str, float] = Thresholds(),
    shown: int = 200,
    seed: int = 0,
    progress: bool = True,
) -> Report:
    """Looks for what is wrong in a catalogue, and writes a report of it.

    It finds products and photos that are there twice, photos and texts that do not belong together, labels that are
    probably wrong, faulty photos and texts.

    Args:
        catalog: A catalogue or its folder; or a folder of photos or a table, as `embed` takes them.
        model: Model that makes the vectors, a two-tower model if possible, or what `load` takes for it.
        out: Folder of the report.
        vectors: Vectors that `embed` made of the same catalogue, instead of a model; without, they are made and kept in
            the report's folder.
        labels: Columns whose labels are checked: `category`, `subcategory` or other columns of the catalogue; None is
            the first two.
        thresholds: Scores, 0..1, from which findings are reported, where they are not the usual ones: `duplicate`,
            `mismatch`, `label`, `blank`, `blurred`, `watermarked`, `cut`, `boilerplate`; and `tiny`, in pixels.
        shown: Findings of a kind that the page shows; the CSV has all.
        seed: Seed of the samples that are learned from.
        progress: Whether progress bars are drawn.

    Raises:
        UserError: if there is neither a model nor vectors, the vectors are of another catalogue, a label is no column,
            or the report cannot be written.
    """
    if (model is None) == (vectors is None):
        raise UserError("give either a model, which makes the vectors, or vectors that are there (--vectors)")
    if shown < 1:
        raise UserError(f"shown must be at least 1. Received: {shown}")
    if not isinstance(thresholds, Thresholds):
        thresholds = configuration.build(Thresholds, dict(thresholds), [])
    out = Path(out)
    with missing_extras_named():
        import cleanlab  # noqa: F401
        import jinja2  # noqa: F401
    source = open_products(catalog, on_error="skip")
    columns = _label_columns(source.products, labels)
    with refusals_named(out):
        out.mkdir(parents=True, exist_ok=True)
    with progress_bars(progress):
        if vectors is None:
            assert model is not None
            vectors = _made(source, model, out / VECTORS, progress)
        elif not isinstance(vectors, Vectors):
            vectors = Vectors.open(vectors)
        examination = _Examination(source, vectors, columns, thresholds, seed)
        findings = examination.run()
        notes = [*source.notes, *_first(source.skipped), *examination.notes]
        photos = sum(len(product.photos) for product in source.products)
        summary = (
            f"{len(source.products):,} products, {photos:,} photos, {len(findings):,} findings; the surest come first."
        )
        write_report(
            out,
            source.sources.name if isinstance(source.sources, Catalog) else Path(source.place).name,
            summary,
            findings,
            {product.id: product for product in source.products},
            source.read,
            [(name, dict(zip((p.id for p in source.products), values))) for name, values in columns.items()],
            notes,
            shown,
        )
    return Report(out, findings, len(source.products), photos, notes)


def _made(source: Products, model: "str | os.PathLike[str] | Model", path: Path, progress: bool) -> Vectors:
    """Makes the vectors, or those that are missing; vectors of another model are replaced."""
    model = load(model, progress=progress) if isinstance(model, str | os.PathLike) else model
    another = path.exists() and Vectors.open(path).header.model != model_checksum(model)
    return embed(source, model, path, on_error="skip", overwrite=another, progress=progress)


def _first(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _NAMED
    return [*lines[:_NAMED], f"and {more:,} more rows that cannot be used"] if more > 0 else list(lines)


def _label_columns(products: Sequence[Product], labels: Sequence[str] | None) -> dict[str, list[str]]:
    """Labels of the products by column."""
    found = {}
    known = sorted({name for product in products for name in product.attributes})
    for name in LABELS if labels is None else labels:
        values = [
            getattr(product, name) if name in LABELS else product.attributes.get(name, "") for product in products
        ]
        if any(values):
            found[name] = values
        elif labels is not None:
            raise UserError(
                f"no product has a label {name!r}; the catalogue has {', '.join([*LABELS, *known])}. Received: {name}"
            )
    return found


@dataclass
class _Examination:
    """One call of `doctor`.

    Attributes:
        notes: What was left out, and why.
    """

    source: Products
    vectors: Vectors
    columns: dict[str, list[str]]
    thresholds: Thresholds
    seed: int
    notes: list[str] = field(default_factory=list)

    def run(self) -> list[Finding]:
        """Finds everything."""
        products = self.source.products
        listed = [(product.id, photo.id) for product in products for photo in product.photos]
        texts = [product.text for product in products for _ in product.photos]
        readers: list[Callable[[], Any]] = [
            partial(self.source.read, photo.uri) for product in products for photo in product.photos
        ]
        rows = self._rows(listed)
        strokes = learn_strokes(readers, self.seed)
        scanned = scan(readers, strokes)
        found = photo_findings(listed, readers, scanned, strokes, self.thresholds, self.seed)
        if len(scanned.readable) < FEWEST:
            self.notes.append(f"blank, blurred, watermarked and cut photos are found from {FEWEST} readable photos on")
        place = {photo: row for row, (_, photo) in enumerate(listed)}
        blank = {place[one.photo] for one in found if one.kind == "blank_photo"}
        found += duplicate_findings(listed, texts, readers, scanned, blank, self.thresholds.duplicate)
        found += self._texts(found, listed, rows)
        # A faulty photo, or a text that says nothing, is no evidence against the other.
        faulty = ("unreadable_photo", "tiny_photo", *(f"{kind}_photo" for kind in DAMAGES))
        photos = {one.photo for one in found if one.kind in faulty}
        empty = {one.product for one in found if one.kind in ("empty_text", "boilerplate_text")}
        rows = {photo: row for photo, row in rows.items() if photo not in photos}
        found += self._agreement([one for one in listed if one[1] in rows], rows, empty)
        order = {kind: number for number, kind in enumerate(KINDS)}
        return sorted(found, key=lambda one: (order[one.kind], -one.score, one.product, one.photo))

    def _rows(self, listed: Sequence[tuple[str, str]]) -> dict[str, int]:
        """Maps photos to rows of the vectors."""
        vectors = self.vectors
        if vectors.image is None and vectors.fused is None:
            kinds = ", ".join(vectors.header.kinds)
            raise UserError(f"{vectors.path}: vectors of photos are needed. Received: {kinds}")
        known = {photo: row for row, photo in enumerate(vectors.photos)}
        rows = {photo: known[photo] for _, photo in listed if photo in known}
        if not rows:
            raise UserError(f"{vectors.path} has no photo of {self.source.place}; make the vectors of this catalogue")
        if missing := len(listed) - len(rows):
            self.notes.append(f"photos without a vector, not compared with texts and labels: {missing:,}")
        return rows

    def _photos(self, rows: Sequence[int]) -> np.ndarray:
        """Returns vectors of photos, float32 [n, d] of length 1."""
        values = self.vectors.image if self.vectors.image is not None else self.vectors.fused
        photos = np.asarray(values, np.float32)[list(rows)]
        return photos / (np.linalg.norm(photos, axis=1, keepdims=True) + 1e-6)

    def _agreement(self, listed: Sequence[tuple[str, str]], rows: dict[str, int], empty: set[str]) -> list[Finding]:
        """Finds mismatches and wrong labels."""
        if not listed:
            return []
        number = {product.id: place for place, product in enumerate(self.source.products)}
        at = [rows[photo] for _, photo in listed]
        photos = self._photos(at)
        of = [number[product] for product, _ in listed]
        texts = [
            "" if product in empty else self.source.products[place].text for (product, _), place in zip(listed, of)
        ]
        folds = fold_of([product for product, _ in listed])
        words = bag_of_words(texts)
        has_text = np.array([bool(text.strip()) for text in texts])
        evidences: dict[str, Evidence] = {}
        found: list[Finding] = []
        for name, labels in self.columns.items():
            evidence = gather([labels[place] for place in of], photos, words, has_text, folds)
            if evidence is None:
                self.notes.append(f"{name}: too few labels to learn from, not checked")
                continue
            evidences[name] = evidence
            if left := len(set(labels) - {""}) - len(evidence.names):
                self.notes.append(f"{name}: classes with too few products to learn from, not checked: {left:,}")
        if self.vectors.image is None:
            self.notes.append("the model has no vectors of photos alone: mismatches with texts are not looked for")
        elif has_text.sum() < ENOUGH:
            self.notes.append(f"photos and texts are compared from {ENOUGH} photos with a text on")
        else:
            text = self.vectors.text
            text_vectors = None if text is None else np.asarray(text, np.float32)[at]
            found += mismatch_findings(
                listed, texts, photos, text_vectors, words, evidences, folds, self.thresholds.mismatch, self.seed
            )
        # Where photo and text disagree, they do not tell what the label should be.
        unclear = {one.product for one in found}
        for name, evidence in evidences.items():
            wrong = label_findings(name, evidence, listed, has_text, self.thresholds.label)
            found += [one for one in wrong if one.product not in unclear]
        return found

    def _texts(
        self, found: Sequence[Finding], listed: Sequence[tuple[str, str]], rows: dict[str, int]
    ) -> list[Finding]:
        products = self.source.products
        if not any(product.text for product in products):
            self.notes.append("the catalogue has no texts")
            return []
        group: dict[str, int] = {}
        for one in found:
            if one.kind in ("duplicate_photo", "duplicate_product"):
                group[one.product] = group.setdefault(one.other, len(group))
        photos = [{group.get(product.id, -1 - number)} for number, product in enumerate(products)]
        fields = {
            "title": [product.title for product in products],
            "description": [product.description for product in products],
        }
        ids = [product.id for product in products]
        return text_findings(ids, fields, self._kinds(listed, rows), photos, self.thresholds.boilerplate)

    def _kinds(self, listed: Sequence[tuple[str, str]], rows: dict[str, int]) -> list[str]:
        """Tells which kind each product is of: its finest label, or else the group of its photo's vector."""
        for labels in reversed(self.columns.values()):
            if len(set(labels)) > 1:
                return labels
        from sklearn.cluster import MiniBatchKMeans

        shown = {product: photo for product, photo in reversed(listed) if photo in rows}
        photos = self._photos([rows[photo] for photo in shown.values()])
        groups = MiniBatchKMeans(min(_CLUSTERS, len(photos)), random_state=self.seed, n_init=3).fit_predict(photos)
        kinds = dict(zip(shown, map(str, groups)))
        return [kinds.get(product.id, "") for product in self.source.products]
