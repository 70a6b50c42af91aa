"""Accuracy and macro-F1 of category and sub-category recognition (paper section 4.2), by scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support


@dataclass(frozen=True, slots=True)
class Recognized:
    """How well classes were told apart.

    Attributes:
        accuracy: Share of the examples whose likeliest class is theirs.
        macro_f1: Mean F1 over the classes that some example is of or was taken for, each counting alike.
        support, precision, recall, f1: Of each class [C]; 0 where there is nothing to divide by.
        confusion: int [C, C], rows the true class, columns the likeliest.
    """

    accuracy: float
    macro_f1: float
    support: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    confusion: np.ndarray


def recognition(labels: Sequence[int], predicted: Sequence[int], classes: int) -> Recognized:
    """Compares classes.

    Args:
        labels: int [n], at least one.
        predicted: int [n].
        classes: How many classes C there are.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if not len(labels):
        raise ValueError("nothing to compare")
    every = np.arange(classes)
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    seen = np.union1d(labels, predicted)
    return Recognized(
        accuracy=float(np.mean(labels == predicted)),
        macro_f1=float(f1[seen].mean()),
        support=support,
        precision=precision,
        recall=recall,
        f1=f1,
        confusion=confusion_matrix(labels, predicted, labels=every),
    )
