"""The pieces of training, on a few rows."""

import numpy as np

from breast_cancer import data, train


def test_a_tensor_has_the_shortest_digits_that_give_the_same_number():
    tensor = train.tensor("features", "FP32", np.array([[0.1, 2]], dtype=np.float32))
    assert tensor == {"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [0.1, 2.0]}


def test_training_twice_gives_the_same_bytes():
    rows, _kept, labels, _kept_labels = data.split()
    assert train.export(train.fit(rows[:80], labels[:80], 1.0)) == train.export(train.fit(rows[:80], labels[:80], 1.0))
