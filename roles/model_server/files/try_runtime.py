# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tries a new runtime environment: one inference by the slot's own program, then its server opened on a socket and closed. Exits 0 or with a trace.

What is imported here is compiled to byte code on the way, so that a slot, which may not write, starts fast. It reads no model of the host.
"""

import asyncio
import tempfile

from kserve import InferInput, InferRequest, ModelRepository
from model_server import FixedModel, OnnxModel, SocketServer, StrictDataPlane

# An ONNX file of one node: y = x * 2, x is float[N,3].
DOUBLE = bytes.fromhex(
    "08093a520a0e0a01780a016b12017922034d756c12057363616c652a0d0801100122040000004042016b"
    "5a140a0178120f0a0d080112090a0312014e0a02080362140a0179120f0a0d080112090a0312014e0a02080342040a001011"
)


async def trial(folder):
    """Answer one request and start one server below `folder`; AssertionError when the answer is wrong."""
    model = OnnxModel("trial", "0", DOUBLE, threads=1)
    request = InferRequest("trial", [InferInput("x", [1, 3], "FP32", [1, 2, 3])])
    answer, _unused = (await model.predict(request)).to_rest()
    assert answer["outputs"][0]["data"] == [2.0, 4.0, 6.0], answer
    registry = ModelRepository()
    registry.update(model)
    server = SocketServer(StrictDataPlane(registry), FixedModel(registry), f"{folder}/http.sock", [], grace_period=1)
    server._server.should_exit = True
    await server.start()
    assert server._server.started


with tempfile.TemporaryDirectory() as home:
    asyncio.run(trial(home))
