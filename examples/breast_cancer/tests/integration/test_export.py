"""The exported graph against the model that was trained."""

import numpy as np
import onnxruntime
import pytest

from breast_cancer import data, parameters, train


@pytest.fixture(scope="module", name="model")
def fixture_model():
    rows, _kept, labels, _kept_labels = data.split()
    return train.fit(rows, labels, parameters.STRENGTH)


@pytest.fixture(scope="module", name="session")
def fixture_session(model):
    return onnxruntime.InferenceSession(train.export(model), providers=["CPUExecutionProvider"])


def test_graph_has_the_inputs_and_outputs_that_clients_use(session):
    assert [(node.name, node.type) for node in session.get_inputs()] == [("features", "tensor(float)")]
    assert [(node.name, node.type) for node in session.get_outputs()] == [("label", "tensor(int64)"), ("probabilities", "tensor(float)")]


def test_graph_answers_as_the_trained_model(model, session):
    kept, _labels = data.holdout()
    label, probabilities = session.run(None, {"features": kept.to_numpy()})
    assert (label == model.predict(kept.to_numpy())).all()
    np.testing.assert_allclose(probabilities, model.predict_proba(kept.to_numpy()), atol=1e-4)
