"""What rows must look like before anything is learned from them or measured on them."""

from __future__ import annotations

import pandera.pandas as pa
from sklearn.datasets import load_breast_cancer

from breast_cancer.features import column

# Lengths, areas and shares are never negative, and the largest nucleus known is far below 10,000 square pixels.
SCHEMA = pa.DataFrameSchema(
    {column(name): pa.Column("float32", pa.Check.in_range(0, 10_000)) for name in load_breast_cancer().feature_names},
    strict=True, ordered=True)
