"""Finds photos and texts that do not belong together, and labels that are probably wrong.

All predictions are out of sample: of a product, they come from products of other folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kaleido.checkup.finding import Finding

FOLDS = 5
_FEWEST = 5
"""Products that a class needs in order to be learned."""

ENOUGH = 50
"""Photos with a text, or with a label, from which anything is learned."""

_RIDGE = 3.0
_TOPICS = 256
_WORDS = 30000
_FLOOR = 1e-4


@dataclass
class Evidence:
    """Predictions of a label's classes from photos and texts, out of sample.

    Attributes:
        names: Names of the classes.
        labels: Class of each row; -1 where it has none that is learned.
        photo: float [n, classes], probabilities by the photo.
        text: The same by the text.
        prior: Share of each class.
    """

    names: Sequence[str]
    labels: np.ndarray
    photo: np.ndarray
    text: np.ndarray
    prior: np.ndarray

    @property
    def both(self) -> np.ndarray:
        """Probabilities by photo and text, as if these were independent given the class."""
        joint = (self.photo + _FLOOR) * (self.text + _FLOOR) / self.prior
        return joint / joint.sum(axis=1, keepdims=True)

    def agreement(self, texts: np.ndarray) -> np.ndarray:
        """Computes how much likelier the photo is with the text of other rows than with any text: logarithms [n]."""
        return np.log(((self.photo + _FLOOR) * (self.text[texts] + _FLOOR) / self.prior).sum(axis=1))


def fold_of(groups: Sequence[str]) -> np.ndarray:
    """Puts rows of one group, such as the photos of a product, into the same of `FOLDS` folds."""
    _, number = np.unique(list(groups), return_inverse=True)
    return np.random.default_rng(0).permutation(int(number.max()) + 1)[number] % FOLDS


def bag_of_words(texts: Sequence[str]) -> sparse.csr_matrix:
    """Weights the words, and pairs of words, of texts: float32 [n, words]."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=_WORDS, sublinear_tf=True, dtype=np.float32)
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:  # no word is there twice
        return sparse.csr_matrix((len(texts), 1), dtype=np.float32)


def gather(
    values: Sequence[str], photos: np.ndarray, words: sparse.csr_matrix, has_text: np.ndarray, folds: np.ndarray
) -> Evidence | None:
    """Learns a label from photos and from texts; None if there is too little to learn from.

    Args:
        values: Label of each row, empty where there is none.
        photos: float32 [n, d].
        words: [n, words].
        has_text: bool [n]; rows without a text have the classes' shares as probabilities by the text.
        folds: Fold of each row.
    """
    names, number = np.unique(list(values), return_inverse=True)
    # A class must be there outside each fold.
    counts = np.bincount(number, minlength=len(names))
    spread = np.array([len(set(folds[number == one])) > 1 for one in range(len(names))])
    learned = [one for one, name in enumerate(names) if name and counts[one] >= _FEWEST and spread[one]]
    labels = np.full(len(values), -1)
    for place, one in enumerate(learned):
        labels[number == one] = place
    if len(learned) < 2 or (labels >= 0).sum() < ENOUGH:
        return None
    centred = (photos - photos.mean(axis=0)) / (photos.std(axis=0) + 1e-6)
    by_photo = _predicted(centred, labels, folds, len(learned), 0.01)
    by_text = _predicted(words, labels, folds, len(learned), 10.0)
    prior = np.bincount(labels[labels >= 0], minlength=len(learned)) / (labels >= 0).sum()
    by_text[~has_text] = prior
    return Evidence([str(names[one]) for one in learned], labels, by_photo, by_text, prior)


def _predicted(
    features: "np.ndarray | sparse.csr_matrix", labels: np.ndarray, folds: np.ndarray, classes: int, strength: float
) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    found = np.zeros((len(labels), classes))
    for fold in range(FOLDS):
        held = folds == fold
        known = ~held & (labels >= 0)
        if not held.any() or len(set(labels[known])) < 2:
            continue
        model = LogisticRegression(C=strength, max_iter=100, tol=1e-3)
        model.fit(features[known], labels[known])
        found[np.ix_(held, model.classes_)] = model.predict_proba(features[held])
    return found


def label_findings(
    column: str, evidence: Evidence, listed: Sequence[tuple[str, str]], has_text: np.ndarray, threshold: float
) -> list[Finding]:
    """Finds labels that photo and text contradict, by confident learning (cleanlab).

    A label that either of them supports is left alone: where photo and text disagree, that is a finding of its own.
    """
    from cleanlab.filter import find_label_issues

    rows = np.flatnonzero(evidence.labels >= 0)
    labels = evidence.labels[rows]
    photo, text = evidence.photo[rows], evidence.text[rows]
    both = evidence.both[rows]
    issues = find_label_issues(labels, both, filter_by="both", n_jobs=1, min_examples_per_class=0)
    issues |= both[np.arange(len(rows)), labels] < 1 - threshold
    found: dict[str, Finding] = {}
    for place in np.flatnonzero(issues):
        label, row = labels[place], rows[place]
        likely = int(both[place].argmax())
        score = float(both[place, likely] - both[place, label])
        supported = photo[place, label] > 0.5 or (has_text[row] and text[place, label] > 0.5)
        if likely == label or supported or score < threshold:
            continue
        product, photo_id = listed[row]
        seen = "photo and text look" if has_text[row] else "the photo looks"
        reason = f"{column} is “{evidence.names[label]}”, but {seen} like “{evidence.names[likely]}”."
        if product not in found or found[product].score < score:
            found[product] = Finding("wrong_label", product, photo_id, score, reason)
    return list(found.values())


def mismatch_findings(
    listed: Sequence[tuple[str, str]],
    texts: Sequence[str],
    photos: np.ndarray,
    text_vectors: np.ndarray | None,
    words: sparse.csr_matrix,
    evidences: Mapping[str, Evidence],
    folds: np.ndarray,
    threshold: float,
    seed: int,
) -> list[Finding]:
    """Finds photos and texts that do not belong together.

    How pairs that belong together differ from others is learned from the catalogue: from its own pairs, and from its
    photos with the texts of random other products.

    Args:
        listed: Ids of product and photo, by row.
        texts: Text by row.
        photos: float32 [n, d] of length 1.
        text_vectors: float32 [n, d] of length 1 by the same model, NaN where a text is empty; None if it has none.
        words: [n, words].
        evidences: What photos and texts say of each label.
        folds: Fold of each row.
        threshold: Score from which a finding is reported.
        seed: Seed of the random pairs.
    """
    from sklearn.linear_model import LogisticRegression

    rows = np.array([row for row, text in enumerate(texts) if text.strip()], int)
    guessed = _photos_of_texts(photos, words, folds)
    centred = photos - photos.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True) + 1e-6

    def measures(of: np.ndarray, said: np.ndarray) -> np.ndarray:
        found = [(centred[of] * guessed[said]).sum(axis=1)]
        if text_vectors is not None:
            found.append((photos[of] * np.nan_to_num(text_vectors[said])).sum(axis=1))
        partner = np.arange(len(texts))
        partner[of] = said
        found += [evidence.agreement(partner)[of] for evidence in evidences.values()]
        return np.stack(found, axis=1)

    random = np.random.default_rng(seed)
    others = rows[(np.arange(len(rows)) + random.integers(1, len(rows), len(rows))) % len(rows)]
    true, false = measures(rows, rows), measures(rows, others)
    mean, deviation = true.mean(axis=0), true.std(axis=0) + 1e-6
    true, false = (true - mean) / deviation, (false - mean) / deviation
    chances = np.zeros(len(rows))
    for fold in range(FOLDS):
        held = folds[rows] == fold
        rest = ~held
        if not held.any() or not rest.any():
            continue
        judge = LogisticRegression().fit(
            np.concatenate([true[rest], false[rest]]), np.repeat([0, 1], [rest.sum(), rest.sum()])
        )
        chances[held] = judge.predict_proba(true[held])[:, 1]
    found: dict[str, Finding] = {}
    for place in np.flatnonzero(chances >= threshold):
        row = int(rows[place])
        product, photo = listed[row]
        if product not in found or found[product].score < chances[place]:
            reason = _mismatch_reason(row, evidences)
            found[product] = Finding("mismatch", product, photo, float(chances[place]), reason)
    return list(found.values())


def _mismatch_reason(row: int, evidences: Mapping[str, Evidence]) -> str:
    for evidence in evidences.values():
        shown, said = int(evidence.photo[row].argmax()), int(evidence.text[row].argmax())
        if shown != said:
            return f"The photo looks like “{evidence.names[shown]}”, and the text like “{evidence.names[said]}”."
    return "The text describes the photo no better than the text of another product would."


def _photos_of_texts(photos: np.ndarray, words: sparse.csr_matrix, folds: np.ndarray) -> np.ndarray:
    """Guesses the photo's vector from the text, out of sample: float32 [n, d] of length 1, around the mean."""
    from sklearn.decomposition import TruncatedSVD

    topics = min(_TOPICS, words.shape[1] - 1, words.shape[0] - 1)
    if topics < 2:
        return np.zeros_like(photos)
    features = TruncatedSVD(topics, random_state=0, n_iter=2).fit_transform(words).astype(np.float32)
    features = np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1)
    centred = photos - photos.mean(axis=0)
    gram, moment = features.T @ features, features.T @ centred
    guessed = np.zeros_like(photos)
    for fold in range(FOLDS):
        held = folds == fold
        # The sums over the other folds are those over all without this one.
        inner = gram - features[held].T @ features[held] + _RIDGE * np.eye(len(gram), dtype=np.float32)
        guessed[held] = features[held] @ np.linalg.solve(inner, moment - features[held].T @ centred[held])
    return guessed / (np.linalg.norm(guessed, axis=1, keepdims=True) + 1e-6)
