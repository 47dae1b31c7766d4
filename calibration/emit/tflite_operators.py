"""ONNX operators as those of TensorFlow Lite: one rule each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from calibration.emit import tflite_images as images
from calibration.emit.base import RefusalError
from calibration.emit.tflite_writer import IMAGE, PLAIN, Writer
from calibration.frontends.simplify.matching import slice_bounds
from calibration.graph import Node, Shape

_LOWEST = float(np.finfo(np.float32).min)


def write(writer: Writer, node: Node) -> None:
    """Add the operators of a node.

    Raises:
        RefusalError: TensorFlow Lite cannot compute it; says why.
    """
    if writer.is_done(node):
        return
    try:
        rule = OPERATORS.get(node.op)
        if rule is None:
            raise RefusalError("TensorFlow Lite has no such operator")
        with writer.writing(node):
            rule(writer, node)
    except RefusalError:
        for name in filter(None, node.outputs):  # so that those behind it are asked as well
            writer.result(name, image=False)
        raise


_Rule = Callable[[Writer, Node], None]


def _unary(code: str, kind: str = "", **options: Any) -> _Rule:
    def rule(writer: Writer, node: Node) -> None:
        image = writer.is_image(node.inputs[0])
        source = writer.get(node.inputs[0], image=image)
        result = [writer.result(node.output, image=image)]
        writer.model.add(code, [source], result, kind, **options)

    return rule


def _composed(compose: Callable[[Writer, Node, int], tuple[str, list[int], str]]) -> _Rule:
    """An operator made of several; `compose` adds all but the last and names that one."""

    def rule(writer: Writer, node: Node) -> None:
        image = writer.is_image(node.inputs[0])
        code, inputs, kind = compose(writer, node, writer.get(node.inputs[0], image=image))
        writer.model.add(code, inputs, [writer.result(node.output, image=image)], kind)

    return rule


def _leaky(writer: Writer, node: Node) -> None:
    _unary("LEAKY_RELU", "LeakyRelu", alpha=node.get("alpha", 0.01))(writer, node)


def _silu(writer: Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    return "MUL", [x, writer.step(node, "LOGISTIC", [x])], "Mul"


def _hard_sigmoid(writer: Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    slope, middle = node.get("alpha", 0.2), node.get("beta", 0.5)
    moved = writer.step(node, "ADD", [x, writer.number(middle / slope)], "Add")
    if abs(slope * 6 - 1) < 1e-5:  # exactly what RELU6 cuts
        return "MUL", [writer.step(node, "RELU6", [moved]), writer.number(slope)], "Mul"
    scaled = writer.step(node, "MUL", [moved, writer.number(slope)], "Mul")
    inputs = [writer.step(node, "RELU", [scaled]), writer.number(1)]
    return "MINIMUM", inputs, "MaximumMinimum"


def _clip(writer: Writer, node: Node, x: int) -> tuple[str, list[int], str]:
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


def _elu(writer: Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    if node.get("alpha", 1.0) == 1:
        return "ELU", [x], ""
    below = writer.step(node, "MINIMUM", [x, writer.number(0)], "MaximumMinimum")
    curve = writer.step(node, "ELU", [below])
    scaled = writer.step(node, "MUL", [curve, writer.number(node.get("alpha", 1.0))], "Mul")
    return "ADD", [scaled, writer.step(node, "RELU", [x])], "Add"


def _softplus(writer: Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    """log(1 + e^x) as max(x, 0) + log(1 + e^-|x|), which does not overflow."""
    negative = writer.step(node, "NEG", [writer.step(node, "ABS", [x], "Abs")], "Neg")
    small = writer.step(node, "EXP", [negative], "Exp")
    log = writer.step(node, "LOG", [writer.step(node, "ADD", [small, writer.number(1)], "Add")])
    return "ADD", [log, writer.step(node, "RELU", [x])], "Add"


def _mish(writer: Writer, node: Node, x: int) -> tuple[str, list[int], str]:
    code, inputs, kind = _softplus(writer, node, x)
    return "MUL", [x, writer.step(node, "TANH", [writer.step(node, code, inputs, kind)])], "Mul"


def _reciprocal(writer: Writer, _: Node, x: int) -> tuple[str, list[int], str]:
    return "DIV", [writer.number(1), x], "Div"


def _prelu(writer: Writer, node: Node) -> None:
    slope = writer.graph.values(node.inputs[1])
    if slope is None or slope.size not in (1, writer.shape(node.inputs[0])[1]):
        raise RefusalError("its slope is not a constant for each channel")
    channels = writer.shape(node.inputs[0])[1]
    row = np.broadcast_to(slope.reshape(1, 1, -1), (1, 1, channels)).astype(np.float32)
    inputs = [
        writer.get(node.inputs[0], image=True),
        writer.constant(row, f"{node.output}/slope"),
    ]
    writer.model.add("PRELU", inputs, [writer.result(node.output, image=True)])


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


def _binary(writer: Writer, node: Node) -> None:
    if len(node.inputs) != 2:
        raise RefusalError("it has more than two operands")
    code, kind = _BINARY[node.op]
    fed = [name for name in node.inputs if name not in writer.graph.constants]
    whole = all(len(writer.shape(name)) == 4 for name in fed)
    image = whole and any(writer.is_image(name) for name in fed)
    inputs = [_operand(writer, name, image) for name in node.inputs]
    writer.model.add(code, inputs, [writer.result(node.output, image=image)], kind)


def _operand(writer: Writer, name: str, image: bool) -> int:
    values = writer.graph.values(name)
    if values is None:
        return writer.get(name, image=image)
    if values.size == 1:
        return writer.number(float(values.reshape(())))
    if not image:
        return writer.constant(values, name)
    whole = values.reshape((1,) * (4 - values.ndim) + values.shape)
    return writer.constant(whole.transpose(IMAGE), name)


# --- axes --------------------------------------------------------------------------------------


def _concat(writer: Writer, node: Node) -> None:
    image = any(writer.is_image(n) for n in node.inputs if n not in writer.graph.constants)
    inputs = [writer.get(name, image=image) for name in node.inputs]
    axis = node.get("axis", 0) % len(writer.shape(node.output))
    axis = IMAGE.index(axis) if image else axis
    result = [writer.result(node.output, image=image)]
    writer.model.add("CONCATENATION", inputs, result, "Concatenation", axis=axis)


def _split(writer: Writer, node: Node) -> None:
    source, axis = node.inputs[0], node.get("axis", 0)
    image = writer.is_image(source)
    sizes = [writer.shape(name)[axis] for name in node.outputs]
    inputs = [
        writer.get(source, image=image),
        writer.numbers(*sizes),
        writer.constant(np.array(writer.axis(source, axis), np.int32), "axis"),
    ]
    results = [writer.result(name, image=image) for name in node.outputs]
    writer.model.add("SPLIT_V", inputs, results, "SplitV", numSplits=len(sizes))


def _slice(writer: Writer, node: Node) -> None:
    bounds = slice_bounds(writer.graph, node)
    if bounds is None:
        raise RefusalError("only slices forward with constant bounds are written")
    image = writer.is_image(node.inputs[0])
    ordered = [bounds[axis] for axis in IMAGE] if image else bounds
    source = writer.get(node.inputs[0], image=image)
    columns = [writer.numbers(*column) for column in zip(*ordered, strict=True)]
    result = [writer.result(node.output, image=image)]
    writer.model.add("STRIDED_SLICE", [source, *columns], result, "StridedSlice")


def _pad(writer: Writer, node: Node) -> None:
    pads = writer.graph.values(node.inputs[1])
    value = writer.graph.scalar(node.input(2)) if node.input(2) else 0.0
    plain = node.get("mode", "constant") == "constant" and not node.input(3)
    if pads is None or value is None or not plain or pads.min() < 0:
        raise RefusalError("only padding by a constant is written")
    image = writer.is_image(node.inputs[0])
    table = pads.reshape(2, -1).T.astype(np.int32)
    table = table[list(IMAGE)] if image else table
    source = writer.get(node.inputs[0], image=image)
    inputs = [source, writer.constant(table, "pads"), writer.number(value)]
    writer.model.add("PADV2", inputs, [writer.result(node.output, image=image)], "PadV2")


def _reshape(writer: Writer, node: Node) -> None:
    shape = writer.shape(node.output)
    inputs = [writer.get(node.inputs[0], image=False), writer.numbers(*shape)]
    result = [writer.result(node.output, image=False)]
    writer.model.add("RESHAPE", inputs, result, "Reshape", newShape=np.array(shape, np.int32))


def _transpose(writer: Writer, node: Node) -> None:
    source = node.inputs[0]
    order = node.ints("perm", tuple(reversed(range(len(writer.shape(source))))))
    is_output = node.output in writer.graph.outputs
    if writer.is_image(source) and order == IMAGE and not is_output:
        writer.alias(node.output, writer.get(source, image=True), image=False)
    elif not writer.is_image(source) and order == PLAIN and not is_output:
        writer.alias(node.output, writer.get(source, image=False), image=True)
    else:
        number = writer.get(source, image=False)
        writer.turn(number, writer.result(node.output, image=False), order)


def _softmax(writer: Writer, node: Node) -> None:
    shape = writer.shape(node.inputs[0])
    axis = node.get("axis", -1) % len(shape)
    image = len(shape) == 4 and axis == 1
    source = writer.get(node.inputs[0], image=image)
    if image or axis == len(shape) - 1:
        result = [writer.result(node.output, image=image)]
        writer.model.add("SOFTMAX", [source], result, "Softmax", beta=1.0)
        return
    order = [other for other in range(len(shape)) if other != axis] + [axis]
    turned = tuple(shape[other] for other in order)
    last = writer.inner(f"{node.output}/turned", turned)
    writer.turn(source, last, order)
    chances = writer.inner(f"{node.output}/chances", turned)
    writer.model.add("SOFTMAX", [last], [chances], "Softmax", beta=1.0)
    writer.turn(chances, writer.result(node.output, image=False), np.argsort(order).tolist())


_REDUCTIONS = {
    "ReduceMean": "MEAN",
    "ReduceSum": "SUM",
    "ReduceMax": "REDUCE_MAX",
    "ReduceMin": "REDUCE_MIN",
}


def _reduce(writer: Writer, node: Node) -> None:
    axes = writer.graph.values(node.input(1))
    if axes is None:
        raise RefusalError("its axes are not constant")
    kept = bool(node.get("keepdims", 1))
    image = writer.is_image(node.inputs[0]) and kept
    source = writer.get(node.inputs[0], image=image)
    rank = len(writer.shape(node.inputs[0]))
    whole = [int(axis) % rank for axis in axes.reshape(-1)]
    kept_in_int8 = [IMAGE.index(axis) for axis in whole] if image else whole
    result = [writer.result(node.output, image=image)]
    inputs = [source, writer.numbers(*kept_in_int8)]
    writer.model.add(_REDUCTIONS[node.op], inputs, result, "Reducer", keepDims=kept)


# --- matrices ----------------------------------------------------------------------------------


def _matmul(writer: Writer, node: Node) -> None:
    matrix = writer.graph.values(node.inputs[1])
    source = writer.get(node.inputs[0], image=False)
    if matrix is not None and matrix.ndim == 2:
        weight = writer.constant(matrix.T, f"{node.output}/weight")
        shape = writer.shape(node.output)
        if len(shape) == 1:
            raise RefusalError("a product of a single row without axes")
        result = [writer.result(node.output, image=False)]
        writer.model.add(
            "FULLY_CONNECTED", [source, weight, -1], result, "FullyConnected", version=5,
            keepNumDims=True,
        )  # fmt: skip
        return
    inputs = [source, writer.get(node.inputs[1], image=False)]
    result = [writer.result(node.output, image=False)]
    writer.model.add("BATCH_MATMUL", inputs, result, "BatchMatMul")


def _layer_norm(writer: Writer, node: Node) -> None:
    shape = writer.shape(node.inputs[0])
    gain, bias = writer.graph.values(node.inputs[1]), writer.graph.values(node.input(2))
    if gain is None or (node.input(2) and bias is None):
        raise RefusalError("its weights are not constant")
    if node.get("axis", -1) % len(shape) != len(shape) - 1 or prod(gain.shape) != shape[-1]:
        raise RefusalError("only normalization along the last axis is written")
    x = writer.get(node.inputs[0], image=False)
    row, last = (*shape[:-1], 1), writer.numbers(len(shape) - 1)

    def step(code: str, inputs: list[int], kind: str = "", size: Shape = shape, **more: Any) -> int:
        number = writer.inner(f"{node.output}/{code.lower()}", size)
        writer.model.add(code, inputs, [number], kind, **more)
        return number

    mean = step("MEAN", [x, last], "Reducer", row, keepDims=True)
    centered = step("SUB", [x, mean], "Sub")
    square = step("MUL", [centered, centered], "Mul")
    spread = step("MEAN", [square, last], "Reducer", row, keepDims=True)
    moved = step("ADD", [spread, writer.number(node.get("epsilon", 1e-5))], "Add", row)
    normal = step("MUL", [centered, step("RSQRT", [moved], "", row)], "Mul")
    scaled = step("MUL", [normal, writer.constant(gain, f"{node.output}/gain")], "Mul")
    term = np.zeros_like(gain) if bias is None else bias
    inputs = [scaled, writer.constant(term, f"{node.output}/bias")]
    writer.model.add("ADD", inputs, [writer.result(node.output, image=False)], "Add")


def _identity(writer: Writer, node: Node) -> None:
    _reshape(writer, node)


OPERATORS: Mapping[str, _Rule] = MappingProxyType(
    {
        **dict.fromkeys(_BINARY, _binary),
        **dict.fromkeys(_REDUCTIONS, _reduce),
        "Abs": _unary("ABS", "Abs"),
        "AveragePool": images.pool,
        "ChannelShuffle": images.channel_shuffle,
        "Clip": _composed(_clip),
        "Concat": _concat,
        "Conv": images.convolution,
        "ConvTranspose": images.transposed_convolution,
        "DepthToSpace": images.depth_to_space,
        "Elu": _composed(_elu),
        "Exp": _unary("EXP", "Exp"),
        "Floor": _unary("FLOOR"),
        "Gelu": _unary("GELU", "Gelu"),
        "GlobalAveragePool": images.global_pool,
        "GlobalMaxPool": images.global_pool,
        "HardSigmoid": _composed(_hard_sigmoid),
        "HardSwish": _unary("HARD_SWISH", "HardSwish"),
        "Identity": _identity,
        "LayerNormalization": _layer_norm,
        "LeakyRelu": _leaky,
        "Log": _unary("LOG"),
        "MatMul": _matmul,
        "MaxPool": images.pool,
        "Mish": _composed(_mish),
        "Neg": _unary("NEG", "Neg"),
        "PRelu": _prelu,
        "Pad": _pad,
        "Reciprocal": _composed(_reciprocal),
        "Relu": _unary("RELU"),
        "Reshape": _reshape,
        "Resize": images.resize,
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
