# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One slot: serves MODEL_DIR/model.onnx by Open Inference Protocol V2 on the Unix socket MODEL_SOCKET, with KServe's SDK and ONNX Runtime.

It knows nothing of releases, of the other slot or of HAProxy; name, version and digest come from the environment and go out with every answer.
"""

import asyncio
import logging
import os
import socket

# ONNX Runtime's Linux builds report to their vendor unless this is set before they are loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy as np
from drift import Watch
from kserve import InferOutput, InferResponse, Model, ModelRepository
from kserve.errors import InvalidInput
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer, metrics_handler
from kserve.protocol.rest.v2_endpoints import register_v2_endpoints
from kserve.utils.numpy_codec import to_np_dtype
from kserve.utils.utils import generate_uuid
from onnxruntime import InferenceSession, SessionOptions
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

DATATYPES = {
    "tensor(bool)": "BOOL", "tensor(string)": "BYTES", "tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64",
    "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32", "tensor(int64)": "INT64",
    "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16", "tensor(uint32)": "UINT32", "tensor(uint64)": "UINT64",
}  # fmt: skip
# Which numpy kinds of what JSON held may become a datatype: numpy alone would cut 1.7 to 1 and read "1.7" as a number.
KINDS = {"BOOL": "b", "BYTES": "U", "FP": "fiu", "INT": "iu", "UINT": "iu"}


def tensor(node):
    """Return V2 metadata of an ONNX input or output (-1 is a free dimension); ValueError where V2 has no such type."""
    if node.type not in DATATYPES:
        raise ValueError(f"{node.name} is {node.type}: V2 carries tensors only (a scikit-learn classifier is exported with zipmap=False)")
    shape = [size if isinstance(size, int) else -1 for size in node.shape]
    return {"name": node.name, "datatype": DATATYPES[node.type], "shape": shape}


def array(given, wanted):
    """Return the numpy array of one V2 input; InvalidInput names input, value and what would be right."""
    name, datatype = wanted["name"], wanted["datatype"]
    if given.datatype != datatype:
        raise InvalidInput(f"input {name}: datatype {given.datatype}, the model wants {datatype}")
    if len(given.shape) != len(wanted["shape"]) or any(size < 0 or want not in (-1, size) for size, want in zip(given.shape, wanted["shape"])):
        raise InvalidInput(f"input {name}: shape {given.shape}, the model wants {wanted['shape']} (-1 is any size)")
    try:
        raw = np.array(given.data)
        if raw.size and raw.dtype.kind not in KINDS[datatype.rstrip("0123456789")]:
            raise InvalidInput(f"input {name}: data is not all {datatype}")
        return np.array(given.data, dtype=to_np_dtype(datatype)).reshape(given.shape)
    except (OverflowError, TypeError, ValueError) as error:
        raise InvalidInput(f"input {name}: {error}") from error


class OnnxModel(Model):
    """A loaded ONNX model: ready from the moment it exists."""

    def __init__(self, name, version, path, threads, watch=None):
        super().__init__(name)
        options = SessionOptions()
        options.intra_op_num_threads = threads
        self.version = version
        self.session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = {node.name: tensor(node) for node in self.session.get_inputs()}
        self.outputs = {node.name: tensor(node) for node in self.session.get_outputs()}
        self.watch = watch
        if watch:
            self._start_watch(os.path.join(os.path.dirname(path), "reference.csv"))
        self.ready = True

    def _start_watch(self, reference):
        dtypes = {name: np.dtype(to_np_dtype(about["datatype"])) for name, about in self.inputs.items()}
        inputs = [{**about, "dtype": dtypes[name], "kind": dtypes[name].kind} for name, about in self.inputs.items()]
        first, names = next(iter(self.inputs), ""), list(self.outputs)
        self.watch.start(reference, inputs, lambda rows: dict(zip(names, self.session.run(names, {first: rows}))))

    def get_input_types(self):
        return list(self.inputs.values())

    def get_output_types(self):
        return list(self.outputs.values())

    async def predict(self, payload, headers=None):
        """Run one V2 request in a thread, so that health and metrics answer meanwhile; InvalidInput (400) when the request does not fit."""
        names = sorted(given.name for given in payload.inputs)
        if names != sorted(self.inputs):
            raise InvalidInput(f"inputs {names}, the model wants {sorted(self.inputs)}")
        asked = [output.name for output in payload.request_outputs or []] or list(self.outputs)
        if not set(asked) <= set(self.outputs):
            raise InvalidInput(f"outputs {asked}, the model has {sorted(self.outputs)}")
        feed = {given.name: array(given, self.inputs[given.name]) for given in payload.inputs}
        try:
            values = await asyncio.to_thread(self.session.run, asked, feed)
        except InvalidArgument as error:
            raise InvalidInput(str(error)) from error
        if self.watch:
            self.watch.add(next(iter(feed.values())), dict(zip(asked, values)))
        outputs = [InferOutput(name, list(value.shape), self.outputs[name]["datatype"], value) for name, value in zip(asked, values)]
        return InferResponse(payload.id or generate_uuid(), self.name, outputs, self.version, requested_outputs=payload.request_outputs)


class StrictDataPlane(DataPlane):
    """KServe answers 500 to a binary request it cannot read; the fault is the client's."""

    def decode_inference_request(self, body, headers, model_name):
        try:
            return super().decode_inference_request(body, headers, model_name)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"unreadable inference request: {error}") from error


class FixedModel(ModelRepositoryExtension):
    """A slot has one model from start to stop: KServe would let anybody unload it."""

    async def load(self, model_name):
        raise InvalidInput("the model of a slot is fixed: it changes by a release")

    unload = load


class SocketServer(RESTServer):
    """KServe's REST server on a Unix socket instead of a port, with V2 and metrics only."""

    def __init__(self, data_plane, extension, path, headers, grace_period):
        super().__init__("kserve.model_server:app", data_plane, extension, http_port=0, grace_period=grace_period)
        self.config.uds = path
        self.config.headers = headers
        self.config.access_log = self.config.server_header = False

    def _add_middlewares(self, app):
        """None: KServe's timing log costs a line per request and HAProxy writes the access log."""

    def _register_endpoints(self, app):
        register_v2_endpoints(app, self.dataplane, self.model_repository_extension)
        app.add_api_route("/metrics", metrics_handler, methods=["GET"])

    async def start(self):
        """Serve until SIGTERM, then finish running requests; tell systemd once the socket is there."""
        self.create_application()
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        if "NOTIFY_SOCKET" in os.environ and not serving.done():
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
                systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        await serving


def watch(env):
    """What measures drift for the model that the environment names, or None where the site wants none."""
    if not int(env.get("MODEL_DRIFT_WINDOW", "0")):
        return None
    about = {"model": env["MODEL_NAME"], "version": env["MODEL_VERSION"], "digest": env["MODEL_DIGEST"]}
    file = os.path.join(os.path.dirname(env["MODEL_SOCKET"]), "drift.json")
    return Watch(file, about, int(env["MODEL_DRIFT_WINDOW"]), float(env["MODEL_DRIFT_BOUND"]), int(env["MODEL_DRIFT_WINDOWS"]))


def main(env):
    """Load the model that the environment names and serve it."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # A client's mistake is told to the client; KServe would also write a stack trace for each.
    logging.getLogger("kserve").addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], InvalidInput)))
    model = OnnxModel(
        env["MODEL_NAME"], env["MODEL_VERSION"], os.path.join(env["MODEL_DIR"], "model.onnx"), int(env.get("MODEL_THREADS", "1")), watch(env)
    )
    registry = ModelRepository()
    registry.update(model)
    headers = [("x-model-version", env["MODEL_VERSION"]), ("x-model-digest", env["MODEL_DIGEST"])]
    server = SocketServer(StrictDataPlane(registry), FixedModel(registry), env["MODEL_SOCKET"], headers, int(env.get("MODEL_GRACE", "30")))
    asyncio.run(server.start())


if __name__ == "__main__":
    main(os.environ)
