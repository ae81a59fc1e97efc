# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Trains the models that the tests validate, each into its folder, and writes what scikit-learn itself says about them into facts.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from project_data import plants, split
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn import metrics
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

OUTPUT = Path(sys.argv[1])


def export(name, model, inputs):
    """OUTPUT/name/model.onnx."""
    (OUTPUT / name).mkdir(parents=True)
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    (OUTPUT / name / "model.onnx").write_bytes(to_onnx(model, initial_types=inputs, options=options, target_opset=17).SerializeToString())


def golden(model, rows):
    """One request with the answers of the estimator itself."""
    def tensor(name, datatype, values):
        return {"name": name, "datatype": datatype, "shape": list(values.shape), "data": values.ravel().tolist()}
    return {"schema": 1, "requests": [{
        "name": "two rows", "request": {"inputs": [tensor("features", "FP32", rows.to_numpy())]},
        "outputs": [tensor("label", "INT64", model.predict(rows)), tensor("probabilities", "FP32", model.predict_proba(rows).astype(np.float32))],
        "tolerance": {"absolute": 1e-4, "relative": 1e-3}}]}


rows, kept, labels, truth = split(load_breast_cancer)
inputs = [("features", FloatTensorType([None, 30]))]
good = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows, labels)
export("good", good, inputs)
export("unscaled", good[-1], inputs)
export("weak", make_pipeline(StandardScaler(), LogisticRegression(C=0.00003)).fit(rows, labels), inputs)
export("narrow", make_pipeline(StandardScaler(), LogisticRegression()).fit(rows.iloc[:, :29], labels), [("features", FloatTensorType([None, 29]))])
for name in ("good", "unscaled"):
    (OUTPUT / name / "golden.json").write_text(json.dumps(golden(good, kept[:2])))

names = ["setosa", "versicolor", "virginica"]
plant_rows, plant_kept, plant_labels, plant_truth = split(load_iris)
columns = list(plant_rows.columns)
plant = make_pipeline(ColumnTransformer([("all", StandardScaler(), columns)]), LogisticRegression()).fit(plant_rows, np.array(names)[plant_labels])
export("plants", plant, [(column, FloatTensorType([None, 1])) for column in columns])

number_rows, number_kept, number_labels, number_truth = split(load_diabetes)
line = LinearRegression().fit(number_rows, number_labels)
export("diabetes", line, [("features", FloatTensorType([None, number_rows.shape[1]]))])

said, likely = good.predict(kept), good.predict_proba(kept)
plant_said, plant_likely = plant.predict(plant_kept), plant.predict_proba(plant_kept)
plant_truth = plants()[1]
number_said = line.predict(number_kept)
facts = {
    "labels": truth.tolist(), "said": said.tolist(), "mean_radius": kept["mean_radius"].tolist(),
    "good": {"accuracy": metrics.accuracy_score(truth, said), "balanced_accuracy": metrics.balanced_accuracy_score(truth, said),
             "precision": metrics.precision_score(truth, said), "recall": metrics.recall_score(truth, said), "f1": metrics.f1_score(truth, said),
             "matthews_correlation": metrics.matthews_corrcoef(truth, said), "roc_auc": metrics.roc_auc_score(truth, likely[:, 1]),
             "average_precision": metrics.average_precision_score(truth, likely[:, 1]), "log_loss": metrics.log_loss(truth, likely),
             "brier_score": metrics.brier_score_loss(truth, likely[:, 1])},
    "plants": {"accuracy": metrics.accuracy_score(plant_truth, plant_said), "balanced_accuracy": metrics.balanced_accuracy_score(plant_truth, plant_said),
               "precision": metrics.precision_score(plant_truth, plant_said, average="macro"),
               "recall": metrics.recall_score(plant_truth, plant_said, average="macro"), "f1": metrics.f1_score(plant_truth, plant_said, average="macro"),
               "matthews_correlation": metrics.matthews_corrcoef(plant_truth, plant_said),
               "roc_auc": metrics.roc_auc_score(plant_truth, plant_likely, multi_class="ovr"),
               "average_precision": metrics.average_precision_score(np.array(plant_truth)[:, None] == np.array(names), plant_likely),
               "log_loss": metrics.log_loss(plant_truth, plant_likely), "brier_score": metrics.brier_score_loss(plant_truth, plant_likely)},
    "diabetes": {"r2": metrics.r2_score(number_truth, number_said), "mean_absolute_error": metrics.mean_absolute_error(number_truth, number_said),
                 "root_mean_squared_error": metrics.root_mean_squared_error(number_truth, number_said)},
}
(OUTPUT / "facts.json").write_text(json.dumps(facts))
