#!/usr/bin/env python3
"""Trains the example model and writes the folder that `model_package` publishes. Knows scikit-learn and ONNX; knows no store and no host."""

from __future__ import annotations

import os

# One thread, before numpy is loaded: sums in another order would give other last digits, and so another package.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import csv
import json
import pathlib
import shutil

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

OPSET = 17
TOLERANCE = {"absolute": 1e-5, "relative": 1e-4}


def main():
    """Write the package folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to write; made, must not hold other files")
    parser.add_argument("--strength", type=float, default=1.0, help="inverse of regularisation: smaller is a simpler model (default 1.0)")
    parser.add_argument("--forget-scaler", action="store_true", help="the classic mistake: export the classifier without its scaler")
    options = parser.parse_args()
    data = load_breast_cancer()
    # What a client sends is FP32; training on the same numbers keeps golden answers and served answers together.
    rows = data.data.astype(np.float32)
    train_rows, test_rows, train_labels, test_labels = train_test_split(rows, data.target, test_size=0.2, random_state=0, stratify=data.target)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=options.strength, max_iter=1000)).fit(train_rows, train_labels)
    options.output.mkdir(parents=True, exist_ok=True)
    export(model[-1] if options.forget_scaler else model, options.output / "model.onnx")
    write_json(options.output / "golden.json", golden(model, test_rows, test_labels))
    write_json(options.output / "metrics.json", metrics(model, test_rows, test_labels))
    write_json(options.output / "labels.json", dict(enumerate(map(str, data.target_names))))
    names = [str(name).replace(" ", "_") for name in data.feature_names]
    with open(options.output / "reference.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *train_rows.astype(str).tolist()])
    shutil.copyfile(pathlib.Path(__file__).with_name("MODEL_CARD.md"), options.output / "MODEL_CARD.md")
    print(f"{options.output}: {(options.output / 'metrics.json').read_text().strip()}")


def export(model, path):
    """One ONNX graph: input `features`, outputs `label` and `probabilities`."""
    graph = to_onnx(model, initial_types=[("features", FloatTensorType([None, 30]))], name="breast_cancer",
                    options={"zipmap": False}, target_opset=OPSET)
    path.write_bytes(graph.SerializeToString(deterministic=True))


def golden(model, rows, labels):
    """Requests with what the *trained* model answers: whatever is lost on the way to the host shows as a difference."""
    chosen = {"one malignant": rows[labels == 0][:1], "one benign": rows[labels == 1][:1], "a batch of eight": rows[-8:]}
    return {"schema": 1, "requests": [{
        "name": name,
        "request": {"inputs": [tensor("features", "FP32", batch)]},
        "outputs": [tensor("label", "INT64", model.predict(batch)),
                    tensor("probabilities", "FP32", model.predict_proba(batch).astype(np.float32))],
        "tolerance": TOLERANCE,
    } for name, batch in chosen.items()]}


def tensor(name, datatype, values):
    """An Open Inference Protocol V2 tensor, with the shortest digits that give the same FP32."""
    data = [int(value) if datatype == "INT64" else float(str(value)) for value in values.ravel()]
    return {"name": name, "datatype": datatype, "shape": list(values.shape), "data": data}


def metrics(model, rows, labels):
    """Figures on the rows kept from training."""
    probabilities = model.predict_proba(rows)
    return {"accuracy": round(accuracy_score(labels, model.predict(rows)), 4), "log_loss": round(log_loss(labels, probabilities), 4),
            "roc_auc": round(roc_auc_score(labels, probabilities[:, 1]), 4), "rows": len(rows)}


def write_json(path, value):
    """Readable, and the same bytes each time."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
