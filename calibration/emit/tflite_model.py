"""A .tflite file in the making: tensors, operators and constants, by the public schema.

Source: TensorFlow Lite's schema.fbs, in the classes that ai-edge-litert ships.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from calibration.graph import Shape
from calibration.quant.plan.plan import QuantParams
from edge.errors import NotInstalledError
from edge.types import AnyArray

try:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
except ModuleNotFoundError as error:
    raise NotInstalledError(f"writing .tflite needs {error.name}", "calibrate,tflite") from error

# The first versions of operators on int8, where those on floats are older.
_INT8_VERSIONS: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), 3),
        **dict.fromkeys(
            (
                "CONCATENATION",
                "DEPTH_TO_SPACE",
                "DEQUANTIZE",
                "GATHER",
                "LEAKY_RELU",
                "MAX_POOL_2D",
                "PAD",
                "PADV2",
                "RELU",
                "RESIZE_NEAREST_NEIGHBOR",
                "SPLIT_V",
                "STRIDED_SLICE",
                "TRANSPOSE",
            ),
            2,
        ),
    }
)
_SMALL = 64  # elements; below, half precision is no gain


class TfliteModel:
    """Gathers one subgraph; `finish` gives the file."""

    def __init__(self, *, half: bool = False) -> None:
        """An empty model.

        Args:
            half: Store large float32 constants as float16, each behind a DEQUANTIZE that the
                runtime computes at load.
        """
        self._half = half
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]  # the first is empty, by convention
        self._codes: dict[tuple[int, int], int] = {}
        self._constants: dict[tuple[str, Shape, bytes], int] = {}
        self._names: set[str] = set()

    def tensor(
        self, name: str, shape: Shape, dtype: str = "float32", *, grid: QuantParams | None = None
    ) -> int:
        """The number of a new tensor; `name` is made unique; int8 where it has a grid."""
        unique, count = name, 0
        while unique in self._names:
            count += 1
            unique = f"{name}.{count}"
        self._names.add(unique)
        tensor = schema.TensorT()
        tensor.name, tensor.shape = unique.encode(), np.array(shape, np.int32)
        if grid is not None:
            dtype = "int8"
            scales = np.array([grid.scale], np.float32)
            tensor.quantization = _quantization(scales, grid.zero_point, 0)
        tensor.type = getattr(schema.TensorType, dtype.upper())
        tensor.buffer, tensor.hasRank = 0, True
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constant(self, values: AnyArray, name: str = "constant") -> int:
        """The number of a tensor that is fixed; the same for the same values."""
        values = np.asarray(values, order="C")
        key = (values.dtype.name, values.shape, values.tobytes())
        if key in self._constants:
            return self._constants[key]
        if self._half and values.dtype == np.float32 and values.size > _SMALL:
            kept_in_int8 = self._stored(values.astype(np.float16), f"{name}/half")
            index = self.tensor(name, values.shape)
            self.add("DEQUANTIZE", [kept_in_int8], [index])
        else:
            index = self._stored(values, name)
        self._constants[key] = index
        return index

    def codes(
        self,
        values: AnyArray,
        name: str,
        scales: AnyArray,
        *,
        zero_point: int = 0,
        axis: int = 0,
    ) -> int:
        """The number of a new tensor that is fixed: int8 or int32 codes.

        Args:
            values: The codes.
            name: Made unique.
            scales: (1,) float32 for all, or one for each index along `axis`.
            zero_point: Of all.
            axis: That the scales belong to.
        """
        index = self._stored(np.asarray(values, order="C"), name)
        self._tensors[index].quantization = _quantization(scales, zero_point, axis)
        return index

    def add(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        kind: str = "",
        *,
        version: int = 1,
        **options: Any,
    ) -> None:
        """Add an operator.

        Args:
            code: Name in the schema's BuiltinOperator.
            inputs: Numbers of tensors; -1 for an absent one.
            outputs: Numbers of tensors.
            kind: Name of its table of options, without "Options".
            version: Of the operator on floats.
            **options: Fields of that table.
        """
        number = getattr(schema.BuiltinOperator, code)
        if self._tensors[inputs[0]].type == schema.TensorType.INT8:
            version = max(version, _INT8_VERSIONS.get(code, 1))
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault((number, version), len(self._codes))
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        if kind:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{kind}Options")
            operator.builtinOptions = getattr(schema, f"{kind}OptionsT")()
            for field, value in options.items():
                setattr(operator.builtinOptions, field, value)
        self._operators.append(operator)

    def finish(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bytes:
        """The file, with one signature of these names and numbers of tensors."""
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = b"main", self._tensors, self._operators
        graph.inputs = np.array(list(inputs.values()), np.int32)
        graph.outputs = np.array(list(outputs.values()), np.int32)
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
        signature.inputs, signature.outputs = _named(inputs), _named(outputs)
        model = schema.ModelT()
        model.version, model.description = 3, b"edge"
        model.subgraphs, model.buffers, model.signatureDefs = [graph], self._buffers, [signature]
        model.operatorCodes = [_code(number, version) for number, version in self._codes]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _stored(self, values: AnyArray, name: str) -> int:
        index = self.tensor(name, values.shape, values.dtype.name)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._buffers.append(buffer)
        self._tensors[index].buffer = len(self._buffers) - 1
        return index


def _quantization(scales: AnyArray, zero_point: int, axis: int) -> Any:
    result = schema.QuantizationParametersT()
    result.scale = np.asarray(scales, np.float32)
    result.zeroPoint = np.full(len(result.scale), zero_point, np.int64)
    result.quantizedDimension = axis
    return result


def _named(tensors: Mapping[str, int]) -> list[Any]:
    maps = []
    for name, index in tensors.items():
        item = schema.TensorMapT()
        item.name, item.tensorIndex = name.encode(), index
        maps.append(item)
    return maps


def _code(number: int, version: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = number, version
    code.deprecatedBuiltinCode = min(number, 127)  # where older readers look
    return code
