"""Names and types of what the model is asked with. Knows no file and no library of learning."""

from __future__ import annotations

import numpy as np
import pandas as pd


def column(name):
    """The column's name of a measurement: `mean radius` is mean_radius, which a file, a query and a metric's label can hold."""
    return "_".join(name.lower().split())


def frame(rows, names):
    """The measurements as a table of FP32, as clients send them; ValueError where one is missing or no number."""
    table = pd.DataFrame(np.asarray(rows, dtype=np.float32), columns=[column(name) for name in names])
    if faults := [name for name in table if not np.isfinite(table[name]).all()]:
        raise ValueError(f"{', '.join(faults)}: a value is missing or infinite, give a number in every row")
    return table
