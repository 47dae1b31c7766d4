"""ONNX Runtime on the CPU, or on a GPU of NVIDIA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from edge import paths
from edge.backends import checks, host
from edge.backends.base import (
    SIDE_INPUTS,
    Backend,
    BackendOptions,
    Description,
    ModelFiles,
    Precision,
    TensorSpec,
)
from edge.backends.no_telemetry import onnxruntime as ort
from edge.errors import BackendError, ModelError
from edge.types import AnyArray, Size, Tensor

_Provider: TypeAlias = tuple[str, dict[str, Any]]
_CPU: _Provider = ("CPUExecutionProvider", {})
_CUDA: _Provider = ("CUDAExecutionProvider", {})
_SIDE_DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}
_DTYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}


def load(
    files: ModelFiles, input_: TensorSpec, outputs: Sequence[str], options: BackendOptions
) -> Backend:
    """A model ready to run. See `edge.backends.open_backend`."""
    return _OnnxRuntime(files["onnx"], input_, tuple(outputs), options)


def describe(files: ModelFiles) -> Description:
    """What the file says of itself; see `edge.backends.describe`."""
    session = _session(files["onnx"], 1)
    return Description(
        tuple(_spec(node) for node in session.get_inputs() if node.name not in SIDE_INPUTS),
        tuple(node.name for node in session.get_outputs()),
        _stored(files["onnx"]),
        session.get_modelmeta().custom_metadata_map,
    )


class _OnnxRuntime:
    """One session."""

    def __init__(
        self, model: bytes, input_: TensorSpec, outputs: tuple[str, ...], options: BackendOptions
    ) -> None:
        self.threads = host.threads(options.threads)
        self.precision: Precision = "int8" if _stored(model) == "int8" else "fp32"
        if options.precision == "int8" and self.precision != "int8":
            raise BackendError("ONNX Runtime runs INT8 from INT8 files only, this one is float")
        session = _session(model, self.threads, _providers(options))
        if options.device == "tensorrt" and self.precision != "int8" != options.precision != "fp32":
            self.precision = "fp16"
        nodes = {node.name: node for node in session.get_inputs()}
        inputs = {name: _spec(node) for name, node in nodes.items() if name not in SIDE_INPUTS}
        checks.expect_input(inputs, input_.name)
        checks.expect_outputs([node.name for node in session.get_outputs()], outputs)
        declared = inputs[input_.name]
        if declared.dtype not in _DTYPES.values():
            raise ModelError(
                f"its input {declared.name} is {declared.dtype}, not one of "
                f"{', '.join(_DTYPES.values())}"
            )
        checks.expect_shape(declared.shape, input_)
        self.input = TensorSpec(input_.name, input_.shape, declared.dtype, input_.layout)
        self._outputs = outputs
        self._view: AnyArray = np.zeros(input_.shape, self.input.dtype)
        self._fed = {input_.name: self._view}
        for name in nodes.keys() & SIDE_INPUTS.keys():
            self._fed[name] = _side_input(nodes[name], input_)
        self._session: Any = session

    def input_view(self) -> AnyArray:
        """See `Backend.input_view`."""
        return self._view

    def run(self) -> tuple[Tensor, ...]:
        """See `Backend.run`."""
        if self._session is None:
            raise BackendError("ONNX Runtime: the model is closed")
        try:
            outputs = self._session.run(list(self._outputs), self._fed)
        except Exception as error:  # its exceptions share no narrower base class
            raise BackendError(f"ONNX Runtime failed: {error}") from error
        return tuple(Tensor(values) for values in outputs)

    def close(self) -> None:
        """See `Backend.close`."""
        self._session = None


def _session(model: bytes, threads: int, providers: tuple[_Provider, ...] | None = None) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised as well
    # The default spins between inferences: 100 % CPU while waiting for a frame.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without it sums of INT8 products saturate at 16 bits on x86 CPUs that lack VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        session = ort.InferenceSession(model, options, providers=list(providers or (_CPU,)))
    except Exception as error:  # as above
        raise ModelError(f"ONNX Runtime does not load this .onnx: {error}") from error
    if providers and providers[0][0] not in session.get_providers():  # it fell back, and only logs
        raise BackendError(
            f"ONNX Runtime cannot start its {providers[0][0]}: a library of CUDA, cuDNN or "
            "TensorRT is missing or of another version"
        )
    return session


def _providers(options: BackendOptions) -> tuple[_Provider, ...] | None:
    """The device asked for, then what takes the operators that it lacks; None: the CPU."""
    if options.device == "cpu":
        return None
    chosen: tuple[_Provider, ...] = (_CUDA, _CPU)
    if options.device == "tensorrt":
        settings = {
            "trt_fp16_enable": options.precision != "fp32",
            "trt_engine_cache_enable": True,  # building an engine takes minutes
            "trt_engine_cache_path": str(paths.cache() / "tensorrt"),
        }
        chosen = (("TensorrtExecutionProvider", settings), *chosen)
    if chosen[0][0] not in ort.get_available_providers():
        raise BackendError(
            f"{options.device}: this onnxruntime has no {chosen[0][0]}; onnxruntime-gpu has, on a "
            "Jetson the package that NVIDIA offers for its JetPack"
        )
    return chosen


def _spec(node: Any) -> TensorSpec:
    shape = tuple(d if isinstance(d, int) and d > 0 else -1 for d in node.shape)
    nhwc = len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3)
    return TensorSpec(
        node.name, shape, _DTYPES.get(node.type, node.type), "NHWC" if nhwc else "NCHW"
    )


def _side_input(node: Any, input_: TensorSpec) -> AnyArray:
    """(1, 2): the value of an input of `SIDE_INPUTS`."""
    shape = [n if isinstance(n, int) else 1 for n in node.shape]
    if shape != [1, 2] or node.type not in _SIDE_DTYPES:
        raise ModelError(f"its input {node.name} is {node.type} {node.shape}, (1, 2) is wanted")
    height, width = input_.shape[1:3] if input_.layout == "NHWC" else input_.shape[2:]
    return SIDE_INPUTS[node.name](Size(height, width)).astype(_SIDE_DTYPES[node.type])


def _stored(model: bytes) -> Precision:
    # Names of operators stand as they are in the file.
    return "int8" if b"QuantizeLinear" in model or b"QLinearConv" in model else "fp32"
