# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Data of the small project that the tests validate: a loader for each kind of model, and schemas. It knows no model."""

from __future__ import annotations

import numpy as np
import pandera.pandas as pa
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import train_test_split


def split(load):
    """(rows to train on, kept rows, their labels, kept labels) with FP32 columns, as clients send them."""
    rows, labels = load(return_X_y=True, as_frame=True)
    rows.columns = [name.replace(" ", "_").removesuffix("_(cm)") for name in rows.columns]
    return train_test_split(rows.astype("float32"), labels.to_numpy(), test_size=0.3, random_state=0)


def cancer():
    """Two classes."""
    _rows, kept, _labels, labels = split(load_breast_cancer)
    return kept, labels


def plants():
    """Three classes, named by text."""
    _rows, kept, _labels, labels = split(load_iris)
    return kept, np.array(["setosa", "versicolor", "virginica"])[labels]


def diabetes():
    """Numbers."""
    _rows, kept, _labels, labels = split(load_diabetes)
    return kept, labels


def array():
    """Rows as a plain array."""
    kept, labels = cancer()
    return kept.to_numpy(), labels


def broken():
    """A loader that fails."""
    raise RuntimeError("the share is\nnot mounted")


def uneven():
    """One label too few."""
    kept, labels = cancer()
    return kept, labels[1:]


GOOD = pa.DataFrameSchema({"mean_radius": pa.Column("float32", pa.Check.in_range(5, 40))})
STRICT = pa.DataFrameSchema({"mean_radius": pa.Column("float32", pa.Check.in_range(5, 20)), "mean_age": pa.Column("float32")})
