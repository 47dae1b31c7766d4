"""ONNX operators as ncnn layers: one rule each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from types import MappingProxyType

import numpy as np

from calibration.emit.base import RefusalError
from calibration.emit.ncnn_writer import Writer, blob_shape, kept_axes, new_layer, size_params
from calibration.frontends.simplify.matching import slice_bounds
from calibration.graph import Node, Shape
from edge.formats.ncnn import Weight
from edge.formats.ncnn_params import FLOAT32_MAX, Value
from edge.formats.ncnn_shapes import PERMUTATIONS
from edge.types import AnyArray


def write(writer: Writer, node: Node) -> None:
    """Add the layers of a node.

    Raises:
        RefusalError: ncnn cannot compute it; says why.
    """
    rule = OPERATORS.get(node.op)
    if rule is None:
        raise RefusalError("ncnn has no such operator")
    rule(writer, node)


def _axis(writer: Writer, node: Node, axis: int) -> int:
    """An axis of the first input as an axis of its blob."""
    shape = writer.shape(node.inputs[0])
    kept, axis = kept_axes(shape), axis % len(shape)
    if axis not in kept:
        raise RefusalError(f"ncnn does not see axis {axis} of {shape}")
    return kept.index(axis)


def _unary(kind: str, **params: Value) -> Callable[[Writer, Node], None]:
    """An operator on one tensor; `k1=2` is parameter 1."""
    keys = {int(key[1:]): value for key, value in params.items()}
    return lambda writer, node: _elementwise(writer, node, kind, keys)


def _elementwise(writer: Writer, node: Node, kind: str, params: Mapping[int, Value]) -> None:
    source = node.inputs[0]
    if source in writer.graph.constants:
        raise RefusalError("it has no input but constants")
    if writer.is_flat(source):
        writer.set_flat(node.output)
    writer.add(kind, node, (source,), params)


def _leaky(writer: Writer, node: Node) -> None:
    _elementwise(writer, node, "ReLU", {0: node.get("alpha", 0.01)})


def _hard_sigmoid(writer: Writer, node: Node) -> None:
    params = {0: node.get("alpha", 0.2), 1: node.get("beta", 0.5)}
    _elementwise(writer, node, "HardSigmoid", params)


def _elu(writer: Writer, node: Node) -> None:
    _elementwise(writer, node, "ELU", {0: node.get("alpha", 1.0)})


def _gelu(writer: Writer, node: Node) -> None:
    _elementwise(writer, node, "GELU", {0: int(node.get("approximate", "none") == "tanh")})


def _clip(writer: Writer, node: Node) -> None:
    bounds: dict[int, Value] = {}
    for key, default in ((0, -FLOAT32_MAX), (1, FLOAT32_MAX)):
        name = node.input(key + 1)
        bound = writer.graph.scalar(name) if name else default
        if bound is None:
            raise RefusalError("its bounds are not constant")
        bounds[key] = min(max(bound, -FLOAT32_MAX), FLOAT32_MAX)
    _elementwise(writer, node, "Clip", bounds)


def _prelu(writer: Writer, node: Node) -> None:
    slope = writer.graph.values(node.inputs[1])
    if slope is None or slope.size not in (1, writer.shape(node.inputs[0])[1]):
        raise RefusalError("its slope is not a constant for each channel")
    weights = (Weight(slope.reshape(-1).astype(np.float32)),)
    writer.add("PReLU", node, (writer.blob(node.inputs[0]),), {0: slope.size}, weights)


_BINARY = {"Add": 0, "Sub": 1, "Mul": 2, "Div": 3, "Max": 4, "Min": 5, "Pow": 6}
_REVERSED = {"Add": 0, "Sub": 7, "Mul": 2, "Div": 8, "Max": 4, "Min": 5, "Pow": 9}


def _binary(writer: Writer, node: Node) -> None:
    if len(node.inputs) != 2:
        raise RefusalError("it has more than two operands")
    for side, table in ((1, _BINARY), (0, _REVERSED)):
        value = writer.graph.scalar(node.inputs[side])
        if value is not None and writer.shape(node.inputs[1 - side]) == writer.shape(node.output):
            other = replace(node, inputs=(node.inputs[1 - side],))
            _elementwise(writer, other, "BinaryOp", {0: table[node.op], 1: 1, 2: value})
            return
    rank = len(writer.shape(node.output))
    blobs = tuple(_operand(writer, node, name, rank) for name in node.inputs)
    writer.add("BinaryOp", node, blobs, {0: _BINARY[node.op]})


def _operand(writer: Writer, node: Node, name: str, rank: int) -> str:
    """The blob of an operand with as many axes as the result: so nothing is guessed."""
    # Where the result's first axis is no batch, one of 1 in an operand is none either.
    whole = writer.shape(node.output)[0] != 1 and rank <= 4
    if name in writer.graph.constants:
        return writer.constant(name, rank, whole=whole)
    shape = writer.shape(name)
    if shape != writer.shape(node.output) and rank > 4:
        raise RefusalError(f"unlike operands of {rank} axes")
    expected = (1,) * (rank - len(shape)) + shape
    expected = expected if whole else blob_shape(expected)
    return _reshaped(writer, node, writer.blob(name), blob_shape(shape), expected)


def _reshaped(writer: Writer, node: Node, blob: str, shape: Shape, expected: Shape) -> str:
    if shape == expected:
        return blob
    name = f"{node.output}/{blob}"
    writer.layers.append(new_layer("Reshape", name, (blob,), (name,), size_params(expected)))
    return name


def _convolution(writer: Writer, node: Node) -> None:
    weight, bias = _weights(writer, node)
    source, outputs = node.inputs[0], weight.shape[0]
    groups = node.get("group", 1)
    if weight.ndim != 4:
        raise RefusalError(f"a convolution in {weight.ndim - 2} dimensions")
    biases = (Weight(bias),) if bias is not None else ()
    weights = (writer.weight(weight), *biases)
    pointwise = weight.shape[2:] == (1, 1) and groups == 1 and not any(node.ints("pads"))
    if writer.is_flat(source) and pointwise:
        writer.set_flat(node.output)
        params = {0: outputs, 1: len(biases), 2: weight.size}
        writer.add("InnerProduct", node, (source,), params, weights)
        return
    params = {0: outputs, **_window(node, weight.shape[2:]), 5: len(biases), 6: weight.size}
    kind = "Convolution" if groups == 1 else "ConvolutionDepthWise"
    writer.add(
        kind, node, (writer.blob(source),), params | ({7: groups} if groups > 1 else {}), weights
    )


def _window(node: Node, kernel: Shape) -> dict[int, Value]:
    """Kernel, dilation, stride and padding, under the keys that convolutions share."""
    if node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise RefusalError(f"auto_pad {node.get('auto_pad', '')}")
    stride, dilation = node.ints("strides", (1, 1)), node.ints("dilations", (1, 1))
    top, left, bottom, right = node.ints("pads", (0, 0, 0, 0))
    return {
        1: kernel[1], 11: kernel[0], 2: dilation[1], 12: dilation[0], 3: stride[1], 13: stride[0],
        4: left, 15: right, 14: top, 16: bottom,
    }  # fmt: skip


def _weights(writer: Writer, node: Node) -> tuple[AnyArray, AnyArray | None]:
    weight = writer.graph.values(node.inputs[1])
    bias = writer.graph.values(node.input(2))
    if weight is None or (node.input(2) and bias is None):
        raise RefusalError("its weights are not constant")
    return weight, None if bias is None else bias.astype(np.float32)


def _deconvolution(writer: Writer, node: Node) -> None:
    weight, bias = _weights(writer, node)
    groups = node.get("group", 1)
    if weight.ndim != 4 or node.attributes.get("output_shape"):
        raise RefusalError("only deconvolutions in two dimensions without output_shape are written")
    inputs, per_group, *kernel = weight.shape
    apart = weight.reshape(groups, inputs // groups, per_group, *kernel).swapaxes(1, 2)
    biases = (Weight(bias),) if bias is not None else ()
    bottom, right = node.ints("output_padding", (0, 0))
    params: dict[int, Value] = {
        0: per_group * groups,
        **_window(node, tuple(kernel)),
        5: len(biases),
        6: weight.size,
    }
    params |= {18: right, 19: bottom} if bottom or right else {}
    kind = "Deconvolution" if groups == 1 else "DeconvolutionDepthWise"
    params |= {7: groups} if groups > 1 else {}
    writer.add(kind, node, (writer.blob(node.inputs[0]),), params, (writer.weight(apart), *biases))


def _pool(writer: Writer, node: Node) -> None:
    kernel = node.ints("kernel_shape")
    if len(kernel) != 2 or any(step != 1 for step in node.ints("dilations", (1, 1))):
        raise RefusalError("only pooling in two dimensions without dilation is written")
    window = _window(node, kernel)
    average = node.op == "AveragePool"
    params: dict[int, Value] = {
        0: int(average),
        1: window[1], 11: window[11], 2: window[3], 12: window[13],
        3: window[4], 13: window[14], 14: window[15], 15: window[16],
        5: 0 if node.get("ceil_mode", 0) else 1,
    }  # fmt: skip
    if average:
        params[6] = node.get("count_include_pad", 0)
    writer.add("Pooling", node, (writer.blob(node.inputs[0]),), params)


def _global_pool(writer: Writer, node: Node) -> None:
    writer.set_flat(node.output)
    params = {0: int(node.op == "GlobalAveragePool"), 4: 1}
    writer.add("Pooling", node, (writer.blob(node.inputs[0]),), params)


def _concat(writer: Writer, node: Node) -> None:
    blobs = tuple(writer.blob(name) for name in node.inputs)
    writer.add("Concat", node, blobs, {0: _axis(writer, node, node.get("axis", 0))})


def _split(writer: Writer, node: Node) -> None:
    axis = node.get("axis", 0)
    sizes = tuple(writer.shape(name)[axis] for name in node.outputs)
    params: dict[int, Value] = {0: sizes, 1: _axis(writer, node, axis)}
    writer.add("Slice", node, (writer.blob(node.inputs[0]),), params)


def _slice(writer: Writer, node: Node) -> None:
    bounds = slice_bounds(writer.graph, node)
    if bounds is None or any(step != 1 for _, _, step in bounds):
        raise RefusalError("only slices with constant bounds and a step of 1 are written")
    shape = writer.shape(node.inputs[0])
    cut = [
        (start, stop, _axis(writer, node, axis))
        for axis, (start, stop, _) in enumerate(bounds)
        if (start, stop) != (0, shape[axis])
    ]
    starts, ends, axes = (tuple(column) for column in zip(*cut, strict=True))
    writer.add("Crop", node, (writer.blob(node.inputs[0]),), {9: starts, 10: ends, 11: axes})


def _resize(writer: Writer, node: Node) -> None:
    shape, out = writer.shape(node.inputs[0]), writer.shape(node.output)
    mode, where = (node.get("mode", "nearest"), _transformation(node))
    if len(shape) != 4 or shape[:2] != out[:2]:
        raise RefusalError("only height and width of an image are resized")
    factors = [new / old for new, old in zip(out[2:], shape[2:], strict=True)]
    whole = all(factor == int(factor) for factor in factors)
    aligned = where == "align_corners"
    if mode == "nearest" and not (
        whole or (where, node.get("nearest_mode", "")) == ("asymmetric", "floor")
    ):
        raise RefusalError(f"nearest resizing by {factors} with {where}")
    if mode not in ("nearest", "linear") or (mode == "linear" and not _known_linear(where, node)):
        raise RefusalError(f"resizing of mode {mode} with {where}")
    params: dict[int, Value] = {0: 1 if mode == "nearest" else 2}
    params |= {1: factors[0], 2: factors[1]} if whole else {3: out[2], 4: out[3]}
    params |= {6: 1} if aligned and mode == "linear" else {}
    writer.add("Interp", node, (writer.blob(node.inputs[0]),), params)


def _transformation(node: Node) -> str:
    return node.get("coordinate_transformation_mode", "half_pixel")


def _known_linear(where: str, node: Node) -> bool:
    return where in ("half_pixel", "pytorch_half_pixel", "align_corners") and not node.get(
        "antialias", 0
    )


def _reshape(writer: Writer, node: Node) -> None:
    sizes = size_params(blob_shape(writer.shape(node.output)))
    writer.add("Reshape", node, (writer.blob(node.inputs[0]),), sizes)


def _transpose(writer: Writer, node: Node) -> None:
    shape, out = writer.shape(node.inputs[0]), writer.shape(node.output)
    order = node.get("perm", tuple(reversed(range(len(shape)))))
    runs: list[list[int]] = []  # axes that stay side by side; those of 1 only change the look
    for axis in (axis for axis in order if shape[axis] > 1):
        between = range(runs[-1][-1] + 1, axis) if runs and runs[-1][-1] < axis else None
        if between is not None and all(shape[skipped] == 1 for skipped in between):
            runs[-1].append(axis)
        else:
            runs.append([axis])
    if len(runs) > 4:
        raise RefusalError(f"ncnn turns four axes at most, this needs {shape} by {order}")
    blob, result, expected = writer.blob(node.inputs[0]), blob_shape(shape), blob_shape(out)
    if len(runs) < 2:
        writer.add("Reshape", node, (blob,), size_params(expected))
        return
    places = sorted(runs)
    squeezed = tuple(prod(shape[axis] for axis in run) for run in places)
    turn = tuple(places.index(run) for run in runs)
    blob = _reshaped(writer, node, blob, result, squeezed)
    params: dict[int, Value] = {0: PERMUTATIONS[len(turn)].index(turn)}
    if tuple(squeezed[axis] for axis in turn) == expected:
        writer.add("Permute", node, (blob,), params)
        return
    name = f"{node.output}/turned"
    writer.add("Permute", node, (blob,), params, outputs=(name,), name=name)
    writer.add("Reshape", node, (name,), size_params(expected))


def _matmul(writer: Writer, node: Node) -> None:
    matrix = writer.graph.values(node.inputs[1])
    shape, out = writer.shape(node.inputs[0]), writer.shape(node.output)
    if matrix is not None and matrix.ndim == 2:
        _linear(writer, node, matrix, shape, out)
        return
    axes = [kept_axes(writer.shape(name)) for name in node.inputs]
    if len({len(kept) for kept in axes}) > 1 or () in axes:
        raise RefusalError(
            f"operands of different rank: {shape} and {writer.shape(node.inputs[1])}"
        )
    writer.add("MatMul", node, tuple(writer.blob(name) for name in node.inputs), {})


def _linear(writer: Writer, node: Node, matrix: AnyArray, shape: Shape, out: Shape) -> None:
    inputs, outputs = matrix.shape
    rows = prod(shape[:-1])
    blob = writer.blob(node.inputs[0])
    blob = _reshaped(writer, node, blob, blob_shape(shape), (rows, inputs))
    params: dict[int, Value] = {0: outputs, 1: 0, 2: matrix.size}
    weights = (writer.weight(matrix.T),)
    if blob_shape(out) == (rows, outputs):
        writer.add("InnerProduct", node, (blob,), params, weights)
        return
    name = f"{node.output}/rows"
    writer.add("InnerProduct", node, (blob,), params, weights, outputs=(name,), name=name)
    writer.add("Reshape", node, (name,), size_params(blob_shape(out)))


def _layer_norm(writer: Writer, node: Node) -> None:
    shape = writer.shape(node.inputs[0])
    if node.get("axis", -1) not in (-1, len(shape) - 1) or not kept_axes(shape):
        raise RefusalError("only normalization along the last axis is written")
    gain, bias = writer.graph.values(node.inputs[1]), writer.graph.values(node.input(2))
    if gain is None or (node.input(2) and bias is None):
        raise RefusalError("its weights are not constant")
    bias = np.zeros_like(gain) if bias is None else bias
    params = {0: shape[-1], 1: node.get("epsilon", 1e-5), 2: 1}
    weights = tuple(Weight(values.reshape(-1).astype(np.float32)) for values in (gain, bias))
    writer.add("LayerNorm", node, (writer.blob(node.inputs[0]),), params, weights)


def _softmax(writer: Writer, node: Node) -> None:
    axis = _axis(writer, node, node.get("axis", -1))
    writer.add("Softmax", node, (writer.blob(node.inputs[0]),), {0: axis, 1: 1})


_REDUCTIONS = {"ReduceSum": 0, "ReduceMean": 3, "ReduceMax": 4, "ReduceMin": 5, "ReduceL2": 8}


def _reduce(writer: Writer, node: Node) -> None:
    axes = writer.graph.values(node.input(1))
    if axes is None:
        raise RefusalError("its axes are not constant")
    kept = node.get("keepdims", 1)
    params: dict[int, Value] = {
        0: _REDUCTIONS[node.op],
        1: 0,
        3: tuple(_axis(writer, node, int(axis)) for axis in axes.reshape(-1)),
        4: kept,
        5: 1,
    }
    writer.add("Reduction", node, (writer.blob(node.inputs[0]),), params)


def _pad(writer: Writer, node: Node) -> None:
    pads, shape = writer.graph.values(node.inputs[1]), writer.shape(node.inputs[0])
    value = writer.graph.scalar(node.input(2)) if node.input(2) else 0.0
    modes = {"constant": 0, "edge": 1, "reflect": 2}
    if pads is None or value is None or len(shape) != 4 or node.input(3):
        raise RefusalError("only constant padding of an image is written")
    before, after = pads[:4].tolist(), pads[4:].tolist()
    if any(before[:2]) or any(after[:2]) or min(before + after) < 0:
        raise RefusalError("only height and width are padded")
    params: dict[int, Value] = {
        0: before[2], 1: after[2], 2: before[3], 3: after[3],
        4: modes[node.get("mode", "constant")], 5: value,
    }  # fmt: skip
    writer.add("Padding", node, (writer.blob(node.inputs[0]),), params)


def _depth_to_space(writer: Writer, node: Node) -> None:
    mode = int(node.get("mode", "DCR") == "DCR")
    params: dict[int, Value] = {0: node.get("blocksize", 1), 1: mode}
    writer.add("PixelShuffle", node, (writer.blob(node.inputs[0]),), params)


def _channel_shuffle(writer: Writer, node: Node) -> None:
    params = {0: node.get("groups", 1), 1: 0}
    writer.add("ShuffleChannel", node, (writer.blob(node.inputs[0]),), params)


def _identity(writer: Writer, node: Node) -> None:
    writer.add("Split", node, (writer.blob(node.inputs[0]),), {})


OPERATORS: Mapping[str, Callable[[Writer, Node], None]] = MappingProxyType(
    {
        **dict.fromkeys(_BINARY, _binary),
        **dict.fromkeys(_REDUCTIONS, _reduce),
        "Abs": _unary("UnaryOp", k0=0),
        "AveragePool": _pool,
        "ChannelShuffle": _channel_shuffle,
        "Clip": _clip,
        "Concat": _concat,
        "Conv": _convolution,
        "ConvTranspose": _deconvolution,
        "DepthToSpace": _depth_to_space,
        "Elu": _elu,
        "Erf": _unary("Erf"),
        "Exp": _unary("UnaryOp", k0=7),
        "Floor": _unary("UnaryOp", k0=2),
        "Gelu": _gelu,
        "GlobalAveragePool": _global_pool,
        "GlobalMaxPool": _global_pool,
        "HardSigmoid": _hard_sigmoid,
        "HardSwish": _unary("HardSwish", k0=1 / 6, k1=0.5),
        "Identity": _identity,
        "LayerNormalization": _layer_norm,
        "LeakyRelu": _leaky,
        "Log": _unary("UnaryOp", k0=8),
        "MatMul": _matmul,
        "MaxPool": _pool,
        "Mish": _unary("Mish"),
        "Neg": _unary("UnaryOp", k0=1),
        "PRelu": _prelu,
        "Pad": _pad,
        "Reciprocal": _unary("UnaryOp", k0=15),
        "Relu": _unary("ReLU"),
        "Reshape": _reshape,
        "Resize": _resize,
        "Sigmoid": _unary("Sigmoid"),
        "Silu": _unary("Swish"),
        "Slice": _slice,
        "Softmax": _softmax,
        "Softplus": _unary("Softplus"),
        "Split": _split,
        "Sqrt": _unary("UnaryOp", k0=5),
        "Tanh": _unary("TanH"),
        "Transpose": _transpose,
    }
)
