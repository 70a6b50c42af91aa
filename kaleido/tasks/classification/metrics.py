"""Computes accuracy and macro-F1 of recognition with scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support


@dataclass(frozen=True, slots=True)
class Recognized:
    """Metrics of recognition.

    Attributes:
        accuracy: Share of the examples whose predicted class is the true class.
        macro_f1: Unweighted mean F1 over the classes that occur among the labels or the predictions.
        support: int [C], number of examples of each class.
        precision: float [C], precision of each class; 0 if it was never predicted.
        recall: float [C], recall of each class; 0 if it has no examples.
        f1: float [C], F1 of each class; 0 if it is undefined.
        confusion: int [C, C], numbers of examples by true class (rows) and predicted class (columns).
    """

    accuracy: float
    macro_f1: float
    support: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    confusion: np.ndarray


def recognition(labels: Sequence[int], predicted: Sequence[int], classes: int) -> Recognized:
    """Computes the metrics of predicted classes.

    Args:
        labels: int [n], true class of each example; n is at least 1.
        predicted: int [n], predicted class of each example.
        classes: Number of classes C.
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
