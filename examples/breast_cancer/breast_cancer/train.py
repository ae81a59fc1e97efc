"""Trains the model and writes the folder that is published. Knows scikit-learn and ONNX; knows no store and no host."""

from __future__ import annotations

import os

# One thread, before numpy is loaded: sums in another order would give other last digits, and so another package.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import json
import pathlib
import shutil

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from breast_cancer import data, parameters

OPSET = 17
TOLERANCE = {"absolute": 1e-5, "relative": 1e-4}
CARD = pathlib.Path(__file__).parents[1] / "MODEL_CARD.md"


def main():
    """Write the package folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to write; made, must not hold other files")
    parser.add_argument("--dataset", type=pathlib.Path, help="file to write the data's sha256 to, which the published package names")
    parser.add_argument("--strength", type=float, default=parameters.STRENGTH, help="inverse of regularisation (default %(default)s)")
    parser.add_argument("--forget-scaler", action="store_true", help="the classic mistake: export the classifier without its scaler")
    options = parser.parse_args()
    rows, kept, labels, kept_labels = data.split()
    model = fit(rows, labels, options.strength)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "model.onnx").write_bytes(export(model[-1] if options.forget_scaler else model))
    write_json(options.output / "golden.json", golden(model, kept.to_numpy(), kept_labels))
    write_json(options.output / "metrics.json", metrics(model, kept.to_numpy(), kept_labels))
    write_json(options.output / "labels.json", dict(enumerate(data.LABELS)))
    rows.to_csv(options.output / "reference.csv", index=False, lineterminator="\n")
    shutil.copyfile(CARD, options.output / "MODEL_CARD.md")
    if options.dataset:
        write_json(options.dataset, {"digest": data.digest()})
    print(f"{options.output}: {(options.output / 'metrics.json').read_text().strip()}")


def fit(rows, labels, strength):
    """The trained model: scaler and classifier as one."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000)).fit(rows.to_numpy(), labels)


def export(model):
    """The bytes of one ONNX graph: input `features`, outputs `label` and `probabilities`."""
    graph = to_onnx(model, initial_types=[("features", FloatTensorType([None, 30]))], name="breast_cancer",
                    options={"zipmap": False}, target_opset=OPSET)
    return graph.SerializeToString(deterministic=True)


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
    shown = [int(value) if datatype == "INT64" else float(str(value)) for value in values.ravel()]
    return {"name": name, "datatype": datatype, "shape": list(values.shape), "data": shown}


def metrics(model, rows, labels):
    """Figures on the kept rows."""
    probabilities = model.predict_proba(rows)
    return {"accuracy": round(accuracy_score(labels, model.predict(rows)), 4), "log_loss": round(log_loss(labels, probabilities), 4),
            "roc_auc": round(roc_auc_score(labels, probabilities[:, 1]), 4), "rows": len(rows)}


def write_json(path, value):
    """Readable, and the same bytes each time."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
