"""Names and types of the features."""

import numpy as np
import pytest

from breast_cancer.features import column, frame


@pytest.mark.parametrize(("name", "wanted"), [("mean radius", "mean_radius"), ("Worst  concave points", "worst_concave_points"), ("area", "area")])
def test_column(name, wanted):
    assert column(name) == wanted


def test_frame_is_fp32_with_one_column_a_name():
    table = frame([[1, 2.5]], ["mean radius", "area"])
    assert list(table) == ["mean_radius", "area"]
    assert {str(kind) for kind in table.dtypes} == {"float32"}


def test_frame_refuses_a_missing_value_by_the_column_it_is_in():
    with pytest.raises(ValueError, match="area: a value is missing"):
        frame([[1, np.nan]], ["mean radius", "area"])
