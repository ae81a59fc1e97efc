"""The rows, split once and for all into those to train on and those kept for validation. Knows no model."""

from __future__ import annotations

import hashlib

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from breast_cancer import parameters
from breast_cancer.features import frame

LABELS = ("malignant", "benign")


def load():
    """(table of features, labels: 0 malignant, 1 benign), all of them."""
    data = load_breast_cancer()
    return frame(data.data, data.feature_names), data.target


def split():
    """(rows to train on, kept rows, their labels, labels of the kept rows)."""
    rows, labels = load()
    return train_test_split(rows, labels, test_size=parameters.KEPT, random_state=parameters.SEED, stratify=labels)


def holdout():
    """(rows, labels) that training never sees: what validation.yml asks for."""
    _rows, kept, _labels, kept_labels = split()
    return kept, kept_labels


def digest():
    """What the data is called in the package: the sha256 over all rows and labels."""
    rows, labels = load()
    return "sha256:" + hashlib.sha256(rows.to_csv(index=False).encode() + labels.tobytes()).hexdigest()
