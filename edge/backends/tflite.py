"""TensorFlow Lite, by whichever of its two packages is installed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edge.backends import checks, host
from edge.backends.base import (
    Backend,
    BackendOptions,
    Description,
    ModelFiles,
    Precision,
    TensorSpec,
)
from edge.errors import BackendError, BackendNotInstalledError, ModelError
from edge.formats import appended
from edge.types import AnyArray, Layout, Tensor

_PACKAGES = ("ai_edge_litert", "tflite_runtime")  # the maintained one first
_DTYPES = ("float32", "uint8", "int8")


def load(
    files: ModelFiles, input_: TensorSpec, outputs: Sequence[str], options: BackendOptions
) -> Backend:
    """A model ready to run. See `edge.backends.open_backend`."""
    return _TfLite(files["tflite"], input_, outputs, options)


def describe(files: ModelFiles) -> Description:
    """What the file says of itself; see `edge.backends.describe`."""
    interpreter = _interpreter(files["tflite"], 1)
    texts, warnings = appended.texts(files["tflite"])
    return Description(
        tuple(map(_spec, interpreter.get_input_details())),
        tuple(detail["name"] for detail in interpreter.get_output_details()),
        "int8" if _is_int8(interpreter) else "fp32",
        texts,
        warnings,
    )


class _TfLite:
    """One interpreter.

    The interpreter refuses to run while anybody holds a view of its memory, so inputs and outputs
    are copied; that is small beside an inference.
    """

    def __init__(
        self, model: bytes, input_: TensorSpec, outputs: Sequence[str], options: BackendOptions
    ) -> None:
        self.threads = host.threads(options.threads)
        interpreter = _interpreter(model, self.threads)
        inputs = {detail["name"]: detail for detail in interpreter.get_input_details()}
        available = {detail["name"]: detail for detail in interpreter.get_output_details()}
        checks.expect_input(inputs, input_.name)
        checks.expect_outputs(available, outputs)
        detail = inputs[input_.name]
        self.input = replace(_spec(detail), shape=input_.shape, layout=input_.layout)
        if self.input.dtype not in _DTYPES:
            raise ModelError(f"its input {input_.name} is {self.input.dtype}, not one of {_DTYPES}")
        checks.expect_shape(detail["shape_signature"], input_)
        try:
            if tuple(detail["shape"]) != input_.shape:
                interpreter.resize_tensor_input(detail["index"], input_.shape)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"TFLite does not prepare this .tflite: {error}") from error
        self.precision: Precision = "int8" if _is_int8(interpreter) else "fp32"
        if options.precision == "int8" and self.precision != "int8":
            raise BackendError("TFLite runs INT8 from INT8 files only, this one is float")
        self._index = detail["index"]
        self._outputs = tuple(
            (available[n]["index"], *_quantization(available[n])) for n in outputs
        )
        self._view: AnyArray = np.zeros(input_.shape, self.input.dtype)
        self._interpreter: Any = interpreter

    def input_view(self) -> AnyArray:
        """See `Backend.input_view`."""
        return self._view

    def run(self) -> tuple[Tensor, ...]:
        """See `Backend.run`."""
        if self._interpreter is None:
            raise BackendError("TFLite: the model is closed")
        try:
            self._interpreter.set_tensor(self._index, self._view)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise BackendError(f"TFLite failed: {error}") from error
        return tuple(
            Tensor(self._interpreter.get_tensor(index), scale, zero_point)
            for index, scale, zero_point in self._outputs
        )

    def close(self) -> None:
        """See `Backend.close`."""
        self._interpreter = None


def _interpreter(model: bytes, threads: int) -> Any:
    if model[4:8] != b"TFL3":
        raise ModelError("not a .tflite file: it lacks the mark TFL3")
    for package in _PACKAGES:
        try:
            module = importlib.import_module(f"{package}.interpreter")
        except ModuleNotFoundError:
            continue
        try:
            return module.Interpreter(model_content=model, num_threads=threads)
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"TFLite does not load this .tflite: {error}") from error
    raise BackendNotInstalledError(f"tflite needs one of {', '.join(_PACKAGES)}", "tflite")


def _spec(detail: Mapping[str, Any]) -> TensorSpec:
    shape = tuple(int(n) for n in detail["shape_signature"])
    nchw = len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3)
    layout: Layout = "NCHW" if nchw else "NHWC"
    dtype = np.dtype(detail["dtype"]).name
    return TensorSpec(detail["name"], shape, dtype, layout, *_quantization(detail))


def _quantization(detail: Mapping[str, Any]) -> tuple[float, int]:
    """Scale and zero point of a tensor that has one of each; 1 and 0 for a float tensor."""
    if np.issubdtype(detail["dtype"], np.floating):
        return 1.0, 0
    scales = detail["quantization_parameters"]["scales"]
    if len(scales) != 1:
        raise ModelError(f"its tensor {detail['name']} has {len(scales)} scales, one is wanted")
    return float(scales[0]), int(detail["quantization_parameters"]["zero_points"][0])


def _is_int8(interpreter: Any) -> bool:
    """Whether any tensor but weights is quantized: one scale, and an integer of 8 bits."""
    return any(
        detail["dtype"] in (np.int8, np.uint8)
        and len(detail["quantization_parameters"]["scales"]) == 1
        for detail in interpreter.get_tensor_details()
    )
