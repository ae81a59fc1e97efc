"""The data itself: is it what the model was made for?"""

from breast_cancer import data
from breast_cancer.schema import SCHEMA


def test_rows_fit_the_schema():
    rows, _labels = data.load()
    SCHEMA.validate(rows, lazy=True)


def test_both_classes_are_there_in_fair_numbers():
    _rows, labels = data.load()
    assert set(labels) == {0, 1}
    assert 0.3 < labels.mean() < 0.7


def test_no_row_is_there_twice():
    rows, _labels = data.load()
    assert rows.duplicated().sum() == 0


def test_kept_rows_are_not_trained_on():
    rows, kept, _labels, _kept_labels = data.split()
    assert not set(rows.index) & set(kept.index)
    assert len(kept) == 114
