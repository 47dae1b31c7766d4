"""A .tflite file from a graph.

TensorFlow Lite keeps pictures as (1, H, W, C). A tensor of four axes is stored so wherever a
picture operator gave it, as it is in the graph elsewhere, and turned when an operator wants the
other. Outputs have the axes of the graph, so that one decoder reads every runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from calibration.emit.base import RefusalError, emit_all
from calibration.emit.tflite_model import TfliteModel
from calibration.frontends.simplify import slice_bounds
from calibration.graph import Graph, Node, Shape
from edge.types import AnyArray

_PICTURE = (0, 2, 3, 1)  # from the graph's axes to TensorFlow Lite's
_PLAIN = (0, 3, 1, 2)
_SAME, _VALID = 0, 1  # the schema's Padding
_NONE, _RELU, _RELU6 = 0, 1, 3  # the schema's ActivationFunctionType
_LOWEST = float(np.finfo(np.float32).min)


def emit(graph: Graph, *, half: bool = False) -> dict[str, bytes]:
    """The .tflite. See `calibration.emit.base.Emit`."""
    writer = _Writer(graph, half)
    emit_all(graph, "tflite", writer.emit)
    inputs = {name: writer.inputs[name] for name in graph.inputs}
    outputs = {name: writer.get(name, picture=False) for name in graph.outputs}
    return {"tflite": writer.model.finish(inputs, outputs)}


class _Writer:
    """Gathers the operators of a graph, one node after another."""

    def __init__(self, graph: Graph, half: bool) -> None:
        self.graph = graph
        self.model = TfliteModel(half=half)
        self._numbers: dict[tuple[str, bool], int] = {}  # by tensor and whether it is a picture
        self._fused: set[str] = set()  # nodes that the one before them computes
        for name in graph.inputs:
            self.result(name, picture=len(graph.shapes[name]) == 4)
        self.inputs = {name: number for (name, _), number in self._numbers.items()}

    def emit(self, node: Node) -> None:
        if node.name in self._fused:
            return
        try:
            rule = OPERATORS.get(node.op)
            if rule is None:
                raise RefusalError("TensorFlow Lite has no such operator")
            rule(self, node)
        except RefusalError:
            for name in filter(None, node.outputs):  # so that those behind it are asked as well
                self.result(name, picture=False)
            raise

    def shape(self, tensor: str) -> Shape:
        return self.graph.shapes[tensor]

    def is_picture(self, tensor: str) -> bool:
        """Whether a tensor is stored as (1, H, W, C)."""
        return (tensor, True) in self._numbers

    def get(self, tensor: str, *, picture: bool) -> int:
        """The number of a tensor in one of the two orders of axes."""
        if (tensor, picture) not in self._numbers:
            values = self.graph.values(tensor)
            if values is not None:
                number = self.constant(values.transpose(_PICTURE) if picture else values, tensor)
                self._numbers[tensor, picture] = number
            else:
                source = self._numbers[tensor, not picture]
                turned = self.result(tensor, picture=picture)
                self.turn(source, turned, _PICTURE if picture else _PLAIN)
        return self._numbers[tensor, picture]

    def result(self, tensor: str, *, picture: bool) -> int:
        """The number of a new tensor for a result. The bare name is for what users see."""
        shape = self.shape(tensor)
        bare = picture != (tensor in self.graph.outputs)
        suffix = "" if bare or len(shape) != 4 else "/picture" if picture else "/plain"
        stored = tuple(shape[axis] for axis in _PICTURE) if picture else shape
        number = self.model.tensor(f"{tensor}{suffix}", stored)
        self._numbers[tensor, picture] = number
        return number

    def alias(self, tensor: str, number: int, *, picture: bool) -> None:
        """Let a tensor be another under a new look."""
        self._numbers[tensor, picture] = number

    def constant(self, values: AnyArray, name: str = "constant") -> int:
        return self.model.constant(values, name)

    def numbers(self, *values: int) -> int:
        """A constant row of whole numbers."""
        return self.constant(np.array(values, np.int32), "numbers")

    def number(self, value: float) -> int:
        """A constant number."""
        return self.constant(np.array(value, np.float32), "number")

    def turn(self, source: int, target: int, order: Sequence[int]) -> None:
        self.model.add("TRANSPOSE", [source, self.numbers(*order)], [target], "Transpose")

    def step(
        self, node: Node, code: str, inputs: Sequence[int], kind: str = "", **more: Any
    ) -> int:
        """An operator with an inner result in the shape and order of the node's input."""
        picture = self.is_picture(node.inputs[0])
        shape = more.pop("shape", None) or self.stored_shape(node.inputs[0], picture)
        inner = self.model.tensor(f"{node.output}/{code.lower()}", shape)
        self.model.add(code, inputs, [inner], kind, **more)
        return inner

    def stored_shape(self, tensor: str, picture: bool) -> Shape:
        shape = self.shape(tensor)
        return tuple(shape[axis] for axis in _PICTURE) if picture else shape

    def axis(self, tensor: str, axis: int) -> int:
        """An axis of a tensor as one of what is stored of it."""
        axis %= len(self.shape(tensor))
        return _PICTURE.index(axis) if self.is_picture(tensor) else axis

    def activation(self, node: Node) -> tuple[str, int]:
        """The tensor that a node gives with the activation behind it, and that activation."""
        follower = self.graph.sole_consumer(node.output)
        code = _NONE
        if follower is not None and follower.op == "Relu":
            code = _RELU
        if follower is not None and follower.op == "Clip":
            bounds = [self.graph.scalar(follower.input(i)) for i in (1, 2)]
            code = _RELU6 if bounds == [0, 6] else _NONE
        if follower is None or code == _NONE:
            return node.output, _NONE
        self._fused.add(follower.name)
        return follower.output, code


# --- pictures ----------------------------------------------------------------------------------


def _weights(writer: _Writer, node: Node) -> tuple[AnyArray, AnyArray]:
    weight, bias = writer.graph.values(node.inputs[1]), writer.graph.values(node.input(2))
    if weight is None or (node.input(2) and bias is None):
        raise RefusalError("its weights are not constant")
    if weight.ndim != 4:
        raise RefusalError(f"a convolution in {weight.ndim - 2} dimensions")
    outputs = weight.shape[0] if node.op == "Conv" else weight.shape[1] * node.get("group", 1)
    return weight, np.zeros(outputs, np.float32) if bias is None else bias


def _convolution(writer: _Writer, node: Node) -> None:
    weight, bias = _weights(writer, node)
    groups, channels = node.get("group", 1), writer.shape(node.inputs[0])[1]
    strides, dilations = node.ints("strides", (1, 1)), node.ints("dilations", (1, 1))
    extent = [d * (k - 1) + 1 for d, k in zip(dilations, weight.shape[2:], strict=True)]
    source, padding = _padded(writer, node, extent, strides, 0.0)
    target, activation = writer.activation(node)
    options = {
        "padding": padding,
        "strideH": strides[0],
        "strideW": strides[1],
        "dilationHFactor": dilations[0],
        "dilationWFactor": dilations[1],
        "fusedActivationFunction": activation,
    }
    bias_number = writer.constant(bias, f"{node.output}/bias")
    name = f"{node.output}/weight"
    if groups == channels and weight.shape[1] == 1 and groups > 1:
        kernel = writer.constant(weight.transpose(1, 2, 3, 0), name)
        inputs = [source, kernel, bias_number]
        result = [writer.result(target, picture=True)]
        options["depthMultiplier"] = len(weight) // groups
        writer.model.add(
            "DEPTHWISE_CONV_2D", inputs, result, "DepthwiseConv2D", version=2, **options
        )
        return
    inputs = [source, writer.constant(weight.transpose(0, 2, 3, 1), name), bias_number]
    result = [writer.result(target, picture=True)]
    writer.model.add("CONV_2D", inputs, result, "Conv2D", version=6 if groups > 1 else 1, **options)


def _pads(
    writer: _Writer, node: Node, extent: Sequence[int], strides: Sequence[int]
) -> list[list[int]]:
    """Rows and columns before and after that the result calls for, ceil mode included."""
    if node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise RefusalError(f"auto_pad {node.get('auto_pad', '')}")
    before = node.ints("pads", (0, 0, 0, 0))[:2]
    sizes, results = writer.shape(node.inputs[0])[2:], writer.shape(node.output)[2:]
    return [
        [first, max((result - 1) * stride + window - size - first, 0)]
        for first, result, stride, window, size in zip(
            before, results, strides, extent, sizes, strict=True
        )
    ]


def _is_same(
    writer: _Writer, node: Node, strides: Sequence[int], pads: Sequence[Sequence[int]]
) -> bool:
    """Whether this padding is TensorFlow's SAME: the odd row or column comes last."""
    sizes, results = writer.shape(node.inputs[0])[2:], writer.shape(node.output)[2:]
    return all(
        result == -(-size // stride) and after - before in (0, 1)
        for size, result, stride, (before, after) in zip(sizes, results, strides, pads, strict=True)
    )


def _padded(
    writer: _Writer, node: Node, extent: Sequence[int], strides: Sequence[int], value: float
) -> tuple[int, int]:
    """The input of a window operator, padded where the operator cannot, and its kind of padding."""
    source = writer.get(node.inputs[0], picture=True)
    pads = _pads(writer, node, extent, strides)
    if _is_same(writer, node, strides, pads):
        return source, _SAME
    if not any(map(any, pads)):
        return source, _VALID
    batch, channels, *sizes = writer.shape(node.inputs[0])
    height, width = (size + sum(pad) for size, pad in zip(sizes, pads, strict=True))
    padded = writer.model.tensor(f"{node.output}/padded", (batch, height, width, channels))
    table = writer.constant(np.array([[0, 0], *pads, [0, 0]], np.int32), "pads")
    if value == 0:
        writer.model.add("PAD", [source, table], [padded], "Pad")
    else:
        writer.model.add("PADV2", [source, table, writer.number(value)], [padded], "PadV2")
    return padded, _VALID


def _transposed_convolution(writer: _Writer, node: Node) -> None:
    weight, bias = _weights(writer, node)
    pads, strides = node.ints("pads", (0, 0, 0, 0)), node.ints("strides", (1, 1))
    unusual = any(node.ints("output_padding")) or any(
        d != 1 for d in node.ints("dilations", (1, 1))
    )
    if node.get("group", 1) != 1 or unusual or "output_shape" in node.attributes:
        raise RefusalError("only plain transposed convolutions are written")
    batch, _, height, width = writer.shape(node.inputs[0])
    channels = weight.shape[1]
    full = [
        (size - 1) * stride + kernel
        for size, stride, kernel in zip((height, width), strides, weight.shape[2:], strict=True)
    ]
    source = writer.get(node.inputs[0], picture=True)
    inputs = [
        writer.numbers(batch, *full, channels),
        writer.constant(weight.transpose(1, 2, 3, 0), f"{node.output}/weight"),
        source,
        writer.constant(bias, f"{node.output}/bias"),
    ]
    options = {"padding": _VALID, "strideH": strides[0], "strideW": strides[1]}
    if not any(pads):
        target, activation = writer.activation(node)
        options["fusedActivationFunction"] = activation
        result = [writer.result(target, picture=True)]
        writer.model.add("TRANSPOSE_CONV", inputs, result, "TransposeConv", version=4, **options)
        return
    whole = writer.model.tensor(f"{node.output}/whole", (batch, *full, channels))
    writer.model.add("TRANSPOSE_CONV", inputs, [whole], "TransposeConv", version=3, **options)
    begin = writer.numbers(0, pads[0], pads[1], 0)
    size = writer.numbers(*writer.stored_shape(node.output, True))
    writer.model.add(
        "SLICE", [whole, begin, size], [writer.result(node.output, picture=True)], "Slice"
    )


def _pool(writer: _Writer, node: Node) -> None:
    kernel, strides = node.ints("kernel_shape"), node.ints("strides", (1, 1))
    if len(kernel) != 2 or any(d != 1 for d in node.ints("dilations", (1, 1))):
        raise RefusalError("only pooling in two dimensions without dilation is written")
    average = node.op == "AveragePool"
    pads = _pads(writer, node, kernel, strides)
    counted = bool(node.get("count_include_pad", 0)) or not any(map(any, pads))
    same = _is_same(writer, node, strides, pads)
    if average and not counted and not same:
        raise RefusalError("an average over padding that is not counted")
    if average and counted and any(map(any, pads)):
        source, padding = _zero_padded(writer, node, pads), _VALID
    else:
        source, padding = _padded(writer, node, kernel, strides, 0.0 if average else _LOWEST)
    writer.model.add(
        "AVERAGE_POOL_2D" if average else "MAX_POOL_2D",
        [source],
        [writer.result(node.output, picture=True)],
        "Pool2D",
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        filterHeight=kernel[0],
        filterWidth=kernel[1],
    )


def _zero_padded(writer: _Writer, node: Node, pads: Sequence[Sequence[int]]) -> int:
    batch, channels, *sizes = writer.shape(node.inputs[0])
    height, width = (size + sum(pad) for size, pad in zip(sizes, pads, strict=True))
    padded = writer.model.tensor(f"{node.output}/padded", (batch, height, width, channels))
    table = writer.constant(np.array([[0, 0], *pads, [0, 0]], np.int32), "pads")
    writer.model.add("PAD", [writer.get(node.inputs[0], picture=True), table], [padded], "Pad")
    return padded


def _global_pool(writer: _Writer, node: Node) -> None:
    code = "MEAN" if node.op == "GlobalAveragePool" else "REDUCE_MAX"
    inputs = [writer.get(node.inputs[0], picture=True), writer.numbers(1, 2)]
    result = [writer.result(node.output, picture=True)]
    writer.model.add(code, inputs, result, "Reducer", keepDims=True)


def _resize(writer: _Writer, node: Node) -> None:
    shape, out = writer.shape(node.inputs[0]), writer.shape(node.output)
    where, mode = (
        node.get("coordinate_transformation_mode", "half_pixel"),
        node.get("mode", "nearest"),
    )
    if len(shape) != 4 or shape[:2] != out[:2]:
        raise RefusalError("only height and width of a picture are resized")
    whole = all(new % old == 0 for new, old in zip(out[2:], shape[2:], strict=True))
    inputs = [writer.get(node.inputs[0], picture=True), writer.numbers(*out[2:])]
    result = [writer.result(node.output, picture=True)]
    if mode == "nearest" and (
        whole or (where, node.get("nearest_mode", "")) == ("asymmetric", "floor")
    ):
        writer.model.add("RESIZE_NEAREST_NEIGHBOR", inputs, result, "ResizeNearestNeighbor")
    elif mode == "linear" and where in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        aligned = where == "align_corners"
        options = {"alignCorners": aligned, "halfPixelCenters": not aligned}
        writer.model.add("RESIZE_BILINEAR", inputs, result, "ResizeBilinear", version=3, **options)
    else:
        raise RefusalError(f"resizing of mode {mode} with {where}")


def _depth_to_space(writer: _Writer, node: Node) -> None:
    block, source = node.get("blocksize", 1), writer.get(node.inputs[0], picture=True)
    channels = writer.shape(node.inputs[0])[1]
    if node.get("mode", "DCR") == "CRD":
        order = np.arange(channels).reshape(-1, block * block).T.reshape(-1)
        inputs = [source, writer.numbers(*order.tolist())]
        source = writer.step(node, "GATHER", inputs, "Gather", axis=3)
    result = [writer.result(node.output, picture=True)]
    writer.model.add("DEPTH_TO_SPACE", [source], result, "DepthToSpace", blockSize=block)


def _channel_shuffle(writer: _Writer, node: Node) -> None:
    groups, (batch, channels, height, width) = node.get("groups", 1), writer.shape(node.inputs[0])
    source = writer.get(node.inputs[0], picture=True)
    apart = (batch, height, width, groups, channels // groups)
    inner = _reshape_to(writer, source, apart, f"{node.output}/apart")
    turned = writer.model.tensor(f"{node.output}/turned", (*apart[:3], apart[4], apart[3]))
    writer.turn(inner, turned, (0, 1, 2, 4, 3))
    result = writer.result(node.output, picture=True)
    sizes = (batch, height, width, channels)
    writer.model.add(
        "RESHAPE",
        [turned, writer.numbers(*sizes)],
        [result],
        "Reshape",
        newShape=np.array(sizes, np.int32),
    )


def _reshape_to(writer: _Writer, source: int, shape: Shape, name: str) -> int:
    number = writer.model.tensor(name, shape)
    inputs = [source, writer.numbers(*shape)]
    writer.model.add("RESHAPE", inputs, [number], "Reshape", newShape=np.array(shape, np.int32))
    return number


# --- element by element ------------------------------------------------------------------------

_Rule = Callable[["_Writer", Node], None]


def _unary(code: str, kind: str = "", **options: Any) -> _Rule:
    def rule(writer: _Writer, node: Node) -> None:
        picture = writer.is_picture(node.inputs[0])
        source = writer.get(node.inputs[0], picture=picture)
        result = [writer.result(node.output, picture=picture)]
        writer.model.add(code, [source], result, kind, **options)

    return rule


def _composed(compose: Callable[[_Writer, Node, int], tuple[str, list[int], str]]) -> _Rule:
    """An operator made of several; `compose` adds all but the last and names that one."""

    def rule(writer: _Writer, node: Node) -> None:
        picture = writer.is_picture(node.inputs[0])
        code, inputs, kind = compose(writer, node, writer.get(node.inputs[0], picture=picture))
        writer.model.add(code, inputs, [writer.result(node.output, picture=picture)], kind)

    return rule


def _leaky(writer: _Writer, node: Node) -> None:
    _unary("LEAKY_RELU", "LeakyRelu", alpha=node.get("alpha", 0.01))(writer, node)


def _silu(writer: _Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    return "MUL", [x, writer.step(node, "LOGISTIC", [x])], "Mul"


def _hard_sigmoid(writer: _Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    slope, middle = node.get("alpha", 0.2), node.get("beta", 0.5)
    moved = writer.step(node, "ADD", [x, writer.number(middle / slope)], "Add")
    if abs(slope * 6 - 1) < 1e-5:  # exactly what RELU6 cuts
        return "MUL", [writer.step(node, "RELU6", [moved]), writer.number(slope)], "Mul"
    scaled = writer.step(node, "MUL", [moved, writer.number(slope)], "Mul")
    inputs = [writer.step(node, "RELU", [scaled]), writer.number(1)]
    return "MINIMUM", inputs, "MaximumMinimum"


def _clip(writer: _Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    low, high = (
        writer.graph.scalar(name) if name else None for name in (node.input(1), node.input(2))
    )
    if (node.input(1) and low is None) or (node.input(2) and high is None):
        raise RefusalError("its bounds are not constant")
    if (low, high) == (0, 6):
        return "RELU6", [x], ""
    if low is not None and high is not None:
        x = writer.step(node, "MAXIMUM", [x, writer.number(low)], "MaximumMinimum")
    if high is not None:
        return "MINIMUM", [x, writer.number(high)], "MaximumMinimum"
    return "MAXIMUM", [x, writer.number(_LOWEST if low is None else low)], "MaximumMinimum"


def _elu(writer: _Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    if node.get("alpha", 1.0) == 1:
        return "ELU", [x], ""
    below = writer.step(node, "MINIMUM", [x, writer.number(0)], "MaximumMinimum")
    curve = writer.step(node, "ELU", [below])
    scaled = writer.step(node, "MUL", [curve, writer.number(node.get("alpha", 1.0))], "Mul")
    return "ADD", [scaled, writer.step(node, "RELU", [x])], "Add"


def _softplus(writer: _Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    """log(1 + e^x) as max(x, 0) + log(1 + e^-|x|), which does not overflow."""
    negative = writer.step(node, "NEG", [writer.step(node, "ABS", [x], "Abs")], "Neg")
    small = writer.step(node, "EXP", [negative], "Exp")
    log = writer.step(node, "LOG", [writer.step(node, "ADD", [small, writer.number(1)], "Add")])
    return "ADD", [log, writer.step(node, "RELU", [x])], "Add"


def _mish(writer: _Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    code, inputs, kind = _softplus(writer, node, x)
    return "MUL", [x, writer.step(node, "TANH", [writer.step(node, code, inputs, kind)])], "Mul"


def _reciprocal(writer: _Writer, _: Node, x: int) -> tuple[str, list[int], str]:
    return "DIV", [writer.number(1), x], "Div"


def _prelu(writer: _Writer, node: Node) -> None:
    slope = writer.graph.values(node.inputs[1])
    if slope is None or slope.size not in (1, writer.shape(node.inputs[0])[1]):
        raise RefusalError("its slope is not a constant for each channel")
    channels = writer.shape(node.inputs[0])[1]
    row = np.broadcast_to(slope.reshape(1, 1, -1), (1, 1, channels)).astype(np.float32)
    inputs = [
        writer.get(node.inputs[0], picture=True),
        writer.constant(row, f"{node.output}/slope"),
    ]
    writer.model.add("PRELU", inputs, [writer.result(node.output, picture=True)])


_BINARY: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "Add": ("ADD", "Add"),
        "Sub": ("SUB", "Sub"),
        "Mul": ("MUL", "Mul"),
        "Div": ("DIV", "Div"),
        "Max": ("MAXIMUM", "MaximumMinimum"),
        "Min": ("MINIMUM", "MaximumMinimum"),
        "Pow": ("POW", "Pow"),
    }
)


def _binary(writer: _Writer, node: Node) -> None:
    if len(node.inputs) != 2:
        raise RefusalError("it has more than two operands")
    code, kind = _BINARY[node.op]
    fed = [name for name in node.inputs if name not in writer.graph.constants]
    whole = all(len(writer.shape(name)) == 4 for name in fed)
    picture = whole and any(writer.is_picture(name) for name in fed)
    inputs = [_operand(writer, name, picture) for name in node.inputs]
    writer.model.add(code, inputs, [writer.result(node.output, picture=picture)], kind)


def _operand(writer: _Writer, name: str, picture: bool) -> int:
    values = writer.graph.values(name)
    if values is None:
        return writer.get(name, picture=picture)
    if values.size == 1:
        return writer.number(float(values.reshape(())))
    if not picture:
        return writer.constant(values, name)
    whole = values.reshape((1,) * (4 - values.ndim) + values.shape)
    return writer.constant(whole.transpose(_PICTURE), name)


# --- axes --------------------------------------------------------------------------------------


def _concat(writer: _Writer, node: Node) -> None:
    picture = any(writer.is_picture(n) for n in node.inputs if n not in writer.graph.constants)
    inputs = [writer.get(name, picture=picture) for name in node.inputs]
    axis = node.get("axis", 0) % len(writer.shape(node.output))
    axis = _PICTURE.index(axis) if picture else axis
    result = [writer.result(node.output, picture=picture)]
    writer.model.add("CONCATENATION", inputs, result, "Concatenation", axis=axis)


def _split(writer: _Writer, node: Node) -> None:
    source, axis = node.inputs[0], node.get("axis", 0)
    picture = writer.is_picture(source)
    sizes = [writer.shape(name)[axis] for name in node.outputs]
    inputs = [
        writer.get(source, picture=picture),
        writer.numbers(*sizes),
        writer.constant(np.array(writer.axis(source, axis), np.int32), "axis"),
    ]
    results = [writer.result(name, picture=picture) for name in node.outputs]
    writer.model.add("SPLIT_V", inputs, results, "SplitV", numSplits=len(sizes))


def _slice(writer: _Writer, node: Node) -> None:
    bounds = slice_bounds(writer.graph, node)
    if bounds is None:
        raise RefusalError("only slices forward with constant bounds are written")
    picture = writer.is_picture(node.inputs[0])
    ordered = [bounds[axis] for axis in _PICTURE] if picture else bounds
    source = writer.get(node.inputs[0], picture=picture)
    columns = [writer.numbers(*column) for column in zip(*ordered, strict=True)]
    result = [writer.result(node.output, picture=picture)]
    writer.model.add("STRIDED_SLICE", [source, *columns], result, "StridedSlice")


def _pad(writer: _Writer, node: Node) -> None:
    pads = writer.graph.values(node.inputs[1])
    value = writer.graph.scalar(node.input(2)) if node.input(2) else 0.0
    plain = node.get("mode", "constant") == "constant" and not node.input(3)
    if pads is None or value is None or not plain or pads.min() < 0:
        raise RefusalError("only padding by a constant is written")
    picture = writer.is_picture(node.inputs[0])
    table = pads.reshape(2, -1).T.astype(np.int32)
    table = table[list(_PICTURE)] if picture else table
    source = writer.get(node.inputs[0], picture=picture)
    inputs = [source, writer.constant(table, "pads"), writer.number(value)]
    writer.model.add("PADV2", inputs, [writer.result(node.output, picture=picture)], "PadV2")


def _reshape(writer: _Writer, node: Node) -> None:
    shape = writer.shape(node.output)
    inputs = [writer.get(node.inputs[0], picture=False), writer.numbers(*shape)]
    result = [writer.result(node.output, picture=False)]
    writer.model.add("RESHAPE", inputs, result, "Reshape", newShape=np.array(shape, np.int32))


def _transpose(writer: _Writer, node: Node) -> None:
    source = node.inputs[0]
    order = node.ints("perm", tuple(reversed(range(len(writer.shape(source))))))
    seen = node.output in writer.graph.outputs
    if writer.is_picture(source) and order == _PICTURE and not seen:
        writer.alias(node.output, writer.get(source, picture=True), picture=False)
    elif not writer.is_picture(source) and order == _PLAIN and not seen:
        writer.alias(node.output, writer.get(source, picture=False), picture=True)
    else:
        number = writer.get(source, picture=False)
        writer.turn(number, writer.result(node.output, picture=False), order)


def _softmax(writer: _Writer, node: Node) -> None:
    shape = writer.shape(node.inputs[0])
    axis = node.get("axis", -1) % len(shape)
    picture = len(shape) == 4 and axis == 1
    source = writer.get(node.inputs[0], picture=picture)
    if picture or axis == len(shape) - 1:
        result = [writer.result(node.output, picture=picture)]
        writer.model.add("SOFTMAX", [source], result, "Softmax", beta=1.0)
        return
    order = [other for other in range(len(shape)) if other != axis] + [axis]
    turned = tuple(shape[other] for other in order)
    last = writer.model.tensor(f"{node.output}/turned", turned)
    writer.turn(source, last, order)
    chances = writer.model.tensor(f"{node.output}/chances", turned)
    writer.model.add("SOFTMAX", [last], [chances], "Softmax", beta=1.0)
    writer.turn(chances, writer.result(node.output, picture=False), np.argsort(order).tolist())


_REDUCTIONS = {
    "ReduceMean": "MEAN",
    "ReduceSum": "SUM",
    "ReduceMax": "REDUCE_MAX",
    "ReduceMin": "REDUCE_MIN",
}


def _reduce(writer: _Writer, node: Node) -> None:
    axes = writer.graph.values(node.input(1))
    if axes is None:
        raise RefusalError("its axes are not constant")
    kept = bool(node.get("keepdims", 1))
    picture = writer.is_picture(node.inputs[0]) and kept
    source = writer.get(node.inputs[0], picture=picture)
    rank = len(writer.shape(node.inputs[0]))
    whole = [int(axis) % rank for axis in axes.reshape(-1)]
    stored = [_PICTURE.index(axis) for axis in whole] if picture else whole
    result = [writer.result(node.output, picture=picture)]
    inputs = [source, writer.numbers(*stored)]
    writer.model.add(_REDUCTIONS[node.op], inputs, result, "Reducer", keepDims=kept)


# --- matrices ----------------------------------------------------------------------------------


def _matmul(writer: _Writer, node: Node) -> None:
    matrix = writer.graph.values(node.inputs[1])
    source = writer.get(node.inputs[0], picture=False)
    if matrix is not None and matrix.ndim == 2:
        weight = writer.constant(matrix.T, f"{node.output}/weight")
        shape = writer.shape(node.output)
        if len(shape) == 1:
            raise RefusalError("a product of a single row without axes")
        result = [writer.result(node.output, picture=False)]
        writer.model.add(
            "FULLY_CONNECTED", [source, weight, -1], result, "FullyConnected", version=5,
            keepNumDims=True,
        )  # fmt: skip
        return
    inputs = [source, writer.get(node.inputs[1], picture=False)]
    result = [writer.result(node.output, picture=False)]
    writer.model.add("BATCH_MATMUL", inputs, result, "BatchMatMul")


def _layer_norm(writer: _Writer, node: Node) -> None:
    shape = writer.shape(node.inputs[0])
    gain, bias = writer.graph.values(node.inputs[1]), writer.graph.values(node.input(2))
    if gain is None or (node.input(2) and bias is None):
        raise RefusalError("its weights are not constant")
    if node.get("axis", -1) % len(shape) != len(shape) - 1 or prod(gain.shape) != shape[-1]:
        raise RefusalError("only normalisation along the last axis is written")
    x = writer.get(node.inputs[0], picture=False)
    row, last = (*shape[:-1], 1), writer.numbers(len(shape) - 1)

    def step(code: str, inputs: list[int], kind: str = "", size: Shape = shape, **more: Any) -> int:
        number = writer.model.tensor(f"{node.output}/{code.lower()}", size)
        writer.model.add(code, inputs, [number], kind, **more)
        return number

    mean = step("MEAN", [x, last], "Reducer", row, keepDims=True)
    centred = step("SUB", [x, mean], "Sub")
    square = step("MUL", [centred, centred], "Mul")
    spread = step("MEAN", [square, last], "Reducer", row, keepDims=True)
    moved = step("ADD", [spread, writer.number(node.get("epsilon", 1e-5))], "Add", row)
    normal = step("MUL", [centred, step("RSQRT", [moved], "", row)], "Mul")
    scaled = step("MUL", [normal, writer.constant(gain, f"{node.output}/gain")], "Mul")
    term = np.zeros_like(gain) if bias is None else bias
    inputs = [scaled, writer.constant(term, f"{node.output}/bias")]
    writer.model.add("ADD", inputs, [writer.result(node.output, picture=False)], "Add")


def _identity(writer: _Writer, node: Node) -> None:
    _reshape(writer, node)


OPERATORS: Mapping[str, _Rule] = MappingProxyType(
    {
        **dict.fromkeys(_BINARY, _binary),
        **dict.fromkeys(_REDUCTIONS, _reduce),
        "Abs": _unary("ABS", "Abs"),
        "AveragePool": _pool,
        "ChannelShuffle": _channel_shuffle,
        "Clip": _composed(_clip),
        "Concat": _concat,
        "Conv": _convolution,
        "ConvTranspose": _transposed_convolution,
        "DepthToSpace": _depth_to_space,
        "Elu": _composed(_elu),
        "Exp": _unary("EXP", "Exp"),
        "Floor": _unary("FLOOR"),
        "Gelu": _unary("GELU", "Gelu"),
        "GlobalAveragePool": _global_pool,
        "GlobalMaxPool": _global_pool,
        "HardSigmoid": _composed(_hard_sigmoid),
        "HardSwish": _unary("HARD_SWISH", "HardSwish"),
        "Identity": _identity,
        "LayerNormalization": _layer_norm,
        "LeakyRelu": _leaky,
        "Log": _unary("LOG"),
        "MatMul": _matmul,
        "MaxPool": _pool,
        "Mish": _composed(_mish),
        "Neg": _unary("NEG", "Neg"),
        "PRelu": _prelu,
        "Pad": _pad,
        "Reciprocal": _composed(_reciprocal),
        "Relu": _unary("RELU"),
        "Reshape": _reshape,
        "Resize": _resize,
        "Sigmoid": _unary("LOGISTIC"),
        "Silu": _composed(_silu),
        "Slice": _slice,
        "Softmax": _softmax,
        "Softplus": _composed(_softplus),
        "Split": _split,
        "Sqrt": _unary("SQRT"),
        "Tanh": _unary("TANH"),
        "Transpose": _transpose,
    }
)
