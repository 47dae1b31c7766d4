"""MNN on the CPU."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge import board
from edge.backends import checks, host
from edge.backends.base import (
    Backend,
    BackendOptions,
    Description,
    ModelFiles,
    Precision,
    TensorSpec,
)
from edge.errors import BackendError, ModelError
from edge.types import AnyArray, Tensor

with host.silent(1):  # what it prints would spoil results
    import MNN

_WINOGRAD_MEMORY = 3  # MNN's number of the hint how much memory Winograd's method may take


def load(
    files: ModelFiles, input_: TensorSpec, outputs: Sequence[str], options: BackendOptions
) -> Backend:
    """A model ready to run. See `edge.backends.open_backend`."""
    with host.silent(1):
        return _Mnn(files["mnn"], input_, tuple(outputs), options)


def describe(files: ModelFiles) -> Description:
    """What the file says of itself; see `edge.backends.describe`."""
    with host.silent(1):
        interpreter, session = _session(files["mnn"], 1, "high")
        tensors = interpreter.getSessionInputAll(session)
        return Description(
            tuple(_spec(name, tensor) for name, tensor in tensors.items()),
            tuple(interpreter.getSessionOutputAll(session)),
            "int8" if _runs_int8(interpreter, session) else "fp32",
            {"bizCode": _business_code(files["mnn"])},
        )


def operators(model: bytes) -> dict[str, str]:
    """What MNN runs for a .mnn: types by name, such as "Convolution [ DT_INT8 ]".

    Raises:
        ModelError: It is no MNN model, or is damaged.
    """
    with host.silent(1):
        return _operators(*_session(model, 1, "high"))


class _Mnn:
    """One session. MNN's INT8 networks take and give float32 too."""

    def __init__(
        self, model: bytes, input_: TensorSpec, outputs: tuple[str, ...], options: BackendOptions
    ) -> None:
        self.threads = host.threads(options.threads)
        half = board.has_half_arithmetic() and options.precision != "fp32"
        arithmetic = "low" if half else "high"
        interpreter, session = _session(model, self.threads, arithmetic, winograd=options.winograd)
        tensors = interpreter.getSessionInputAll(session)
        checks.expect_input(tensors, input_.name)
        # Asked for a tensor that it lacks, MNN crashes.
        checks.expect_outputs(interpreter.getSessionOutputAll(session), outputs)
        tensor = tensors[input_.name]
        if tensor.getShape() != input_.shape:
            checks.expect_shape(tensor.getShape(), input_)
            interpreter.resizeTensor(tensor, input_.shape)
            interpreter.resizeSession(session)
            tensor = interpreter.getSessionInput(session, input_.name)
        self.input = input_
        self.precision: Precision = "fp16" if half else "fp32"
        if _runs_int8(interpreter, session):
            self.precision = "int8"
        elif options.precision == "int8":
            raise BackendError("MNN runs INT8 from INT8 files only, this one is float")
        # In half precision MNN's own tensors hold two bytes where they promise four, and some lie
        # in blocks of four channels; it converts what is copied between them and tensors of ours.
        self._input: Any = (tensor, tensor if not half and _is_plain(tensor) else _copy(tensor))
        opened = [interpreter.getSessionOutput(session, name) for name in outputs]
        self._outputs: Any = [
            (tensor, tensor if not half and _is_plain(tensor) else _copy(tensor))
            for tensor in opened
        ]
        self._view: AnyArray = self._input[1].getNumpyData()
        if self._view.shape != input_.shape or self._view.dtype != np.float32:
            raise ModelError(
                f"its input {input_.name} is {self._view.dtype} {self._view.shape}, "
                f"asked for float32 {input_.shape}"
            )
        self._view[:] = 0
        self._interpreter: Any = interpreter
        self._session: Any = session

    def input_view(self) -> AnyArray:
        """See `Backend.input_view`."""
        return self._view

    def run(self) -> tuple[Tensor, ...]:
        """See `Backend.run`."""
        if self._session is None:
            raise BackendError("MNN: the model is closed")
        tensor, ours = self._input
        if ours is not tensor:
            tensor.copyFrom(ours)
        code = self._interpreter.runSession(self._session)
        if code != 0:
            raise BackendError(f"MNN failed, code {code}")
        for tensor, ours in self._outputs:
            if ours is not tensor:
                tensor.copyToHostTensor(ours)
        return tuple(Tensor(ours.getNumpyData()) for _, ours in self._outputs)

    def close(self) -> None:
        """See `Backend.close`."""
        self._view = np.empty(0, np.float32)  # the memory goes with the session
        self._input = self._outputs = ()
        self._session = self._interpreter = None


def _session(
    model: bytes, threads: int, precision: str, *, winograd: bool = True
) -> tuple[Any, Any]:
    try:
        with host.path_of(model) as path:
            interpreter = MNN.Interpreter(path)
    except Exception as error:  # MNN raises nothing narrower
        raise ModelError("MNN does not load this .mnn: not an MNN model, or damaged") from error
    if not winograd:
        interpreter.setSessionHint(_WINOGRAD_MEMORY, 0)
    config = {"backend": "CPU", "numThread": threads, "precision": precision}
    return interpreter, interpreter.createSession(config)


def _copy(tensor: Any) -> Any:
    """A tensor of zeros, float32, of the shape of one of MNN's."""
    shape, layout = tensor.getShape(), tensor.getDimensionType()
    if layout != MNN.Tensor_DimensionType_Tensorflow:
        layout = MNN.Tensor_DimensionType_Caffe  # not the one in blocks of channels
    return MNN.Tensor(shape, MNN.Halide_Type_Float, np.zeros(shape, np.float32), layout)


def _is_plain(tensor: Any) -> bool:
    """Whether the numbers of a tensor lie in memory as its shape says.

    Its dimension type does not tell: tensors in blocks of four channels (NC4HW4) claim others. So
    numbers that all differ are written by MNN's own conversion and read as they lie.
    """
    kept, sample = _copy(tensor), _copy(tensor)
    tensor.copyToHostTensor(kept)  # a constant is never computed again
    values = sample.getNumpyData()
    values[...] = np.arange(values.size, dtype=np.float32).reshape(values.shape)
    tensor.copyFrom(sample)
    lying = tensor.getNumpyData()
    plain = lying.dtype == values.dtype and np.array_equal(lying, values)
    tensor.copyFrom(kept)
    return bool(plain)


def _spec(name: str, tensor: Any) -> TensorSpec:
    shape = tuple(n if n > 0 else -1 for n in tensor.getShape())
    nhwc = tensor.getDimensionType() == MNN.Tensor_DimensionType_Tensorflow
    return TensorSpec(name, shape, layout="NHWC" if nhwc else "NCHW")


def _business_code(model: bytes) -> str:
    """The field in which exporters leave metadata: a string, the first field of the root table.

    Source: the FlatBuffers format, and the schema of MNN's `Net`.
    """
    try:
        (table,) = struct.unpack_from("<I", model)
        (back,) = struct.unpack_from("<i", model, table)
        size, _, first = struct.unpack_from("<3H", model, table - back)
        if size < 6 or not first:
            return ""
        (offset,) = struct.unpack_from("<I", model, table + first)
        start = table + first + offset
        (length,) = struct.unpack_from("<I", model, start)
        return model[start + 4 : start + 4 + length].decode()
    except (struct.error, UnicodeDecodeError):
        return ""


def _runs_int8(interpreter: Any, session: Any) -> bool:
    return any("DT_INT8" in kind for kind in _operators(interpreter, session).values())


def _operators(interpreter: Any, session: Any) -> dict[str, str]:
    """The types of the operators by name; asks for them without running any."""
    types: dict[str, str] = {}

    def skip(_: Any, operator: Any) -> bool:
        types[operator.getName()] = operator.getType().strip()
        return False

    interpreter.runSessionWithCallBackInfo(session, skip, lambda _, __: True)
    return types
