# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes three folders to be published: versions 1 and 2 of a model that multiplies, and one whose golden answer it does not give.

Usage: packages.py FOLDER. It prints what it made; a second run makes nothing.
"""

import importlib.util
import json
import sys
from pathlib import Path

SPEC = importlib.util.spec_from_file_location("onnx_models", Path(__file__).parents[1] / "model_server" / "tests" / "onnx_models.py")
onnx_models = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(onnx_models)


def golden(answer):
    """golden.json with one request, whose right answer is given."""
    request = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}]}
    outputs = [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": answer}]
    tolerance = {"absolute": 1e-6, "relative": 1e-6}
    return {"schema": 1, "requests": [{"name": "one row", "request": request, "outputs": outputs, "tolerance": tolerance}]}


for version, factor, expected in (("1", 2.0, 2.0), ("2", 3.0, 3.0), ("bad", 4.0, 5.0)):
    folder = Path(sys.argv[1]) / version
    if not folder.is_dir():
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(onnx_models.scale(factor))
        (folder / "golden.json").write_text(json.dumps(golden([expected, 2 * expected, 3 * expected])))
        print(f"made {folder}")
