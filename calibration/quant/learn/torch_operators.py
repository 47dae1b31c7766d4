"""Operators in torch, in the form that `calibration.graph.OPSET` gives them: one function each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from calibration.frontends.simplify.matching import reduced_axes, slice_bounds
from calibration.graph import Graph, Node
from edge.errors import CalibrationError

Inputs = Sequence[Tensor]
Operator = Callable[[Graph, Node, Inputs], Sequence[Tensor]]


def _plain(compute: Callable[..., Tensor]) -> Operator:
    """An operator without attributes."""
    return lambda _graph, _node, inputs: (compute(*inputs),)


def _padded(values: Tensor, node: Node, fill: float = 0.0) -> Tensor:
    if node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise CalibrationError(f"{node}: learning does not know automatic padding")
    top, left, bottom, right = node.ints("pads", (0, 0, 0, 0))
    if not (top or left or bottom or right):
        return values
    return functional.pad(values, (left, right, top, bottom), value=fill)


def _conv(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    weight, bias = inputs[1], inputs[2] if len(inputs) > 2 else None
    pads = node.ints("pads", (0, 0, 0, 0))
    even = pads[:2] == pads[2:] and node.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    values = inputs[0] if even else _padded(inputs[0], node)
    result = functional.conv2d(
        values,
        weight,
        bias,
        node.ints("strides", (1, 1)),
        pads[:2] if even else 0,
        node.ints("dilations", (1, 1)),
        node.get("group", 1),
    )
    return (result,)


def _conv_transpose(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    pads = node.ints("pads", (0, 0, 0, 0))
    if pads[:2] != pads[2:] or "output_shape" in node.attributes:
        raise CalibrationError(f"{node}: learning does not know its padding")
    result = functional.conv_transpose2d(
        inputs[0],
        inputs[1],
        inputs[2] if len(inputs) > 2 else None,
        node.ints("strides", (1, 1)),
        pads[:2],
        node.ints("output_padding", (0, 0)),
        node.get("group", 1),
        node.ints("dilations", (1, 1)),
    )
    return (result,)


def _max_pool(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    result = functional.max_pool2d(
        _padded(inputs[0], node, -torch.inf),
        node.ints("kernel_shape"),
        node.ints("strides", (1, 1)),
        0,
        node.ints("dilations", (1, 1)),
        bool(node.get("ceil_mode", 0)),
    )
    return (result,)


def _average_pool(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    pads = node.ints("pads", (0, 0, 0, 0))
    if pads[:2] != pads[2:]:
        raise CalibrationError(f"{node}: learning does not know its padding")
    result = functional.avg_pool2d(
        inputs[0],
        node.ints("kernel_shape"),
        node.ints("strides", (1, 1)),
        pads[:2],
        bool(node.get("ceil_mode", 0)),
        bool(node.get("count_include_pad", 0)),
    )
    return (result,)


def _clip(graph: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    low, high = (graph.scalar(node.input(place)) for place in (1, 2))
    return (inputs[0].clamp(low, high),)


def _leaky_relu(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    return (functional.leaky_relu(inputs[0], node.get("alpha", 0.01)),)


def _hard_sigmoid(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    return ((inputs[0] * node.get("alpha", 0.2) + node.get("beta", 0.5)).clamp(0, 1),)


def _concat(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    batch = max(map(len, inputs))
    parts = [x if len(x) == batch else x.expand(batch, *x.shape[1:]) for x in inputs]  # constants
    return (torch.cat(parts, node.get("axis", 1)),)


def _split(graph: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    axis = node.get("axis", 0)
    parts: Sequence[Tensor] = inputs[0].split([graph.shapes[n][axis] for n in node.outputs], axis)
    return parts


def _slice(graph: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    bounds = slice_bounds(graph, node)
    if bounds is None:
        raise CalibrationError(f"{node}: learning does not know its bounds")
    whole = ((0, size, 1) for size in graph.shapes[node.inputs[0]])
    parts = (  # an axis that is kept whole may be longer here: the batch's
        slice(None) if each == every else slice(*each)
        for each, every in zip(bounds, whole, strict=True)
    )
    return (inputs[0][tuple(parts)],)


def _resize(graph: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    height, width = graph.shapes[node.output][2:]
    where = node.get("coordinate_transformation_mode", "half_pixel")
    if node.get("mode", "nearest") == "nearest":
        sizes = graph.shapes[node.inputs[0]][2:]
        factors = height / sizes[0], width / sizes[1]
        whole = all(factor == int(factor) for factor in factors)
        floors = (where, node.get("nearest_mode", "")) == ("asymmetric", "floor")
        if not (whole or floors):
            raise CalibrationError(f"{node}: learning does not know its rounding")
        return (functional.interpolate(inputs[0], (height, width), mode="nearest"),)
    if node.get("mode", "") != "linear" or node.get("antialias", 0):
        raise CalibrationError(f"{node}: learning does not know its mode")
    aligned = where == "align_corners"
    if not aligned and where not in ("half_pixel", "pytorch_half_pixel"):
        raise CalibrationError(f"{node}: learning does not know {where}")
    result = functional.interpolate(
        inputs[0], (height, width), mode="bilinear", align_corners=aligned
    )
    return (result,)


def _depth_to_space(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    block = node.get("blocksize", 1)
    if node.get("mode", "DCR") == "CRD":
        return (functional.pixel_shuffle(inputs[0], block),)
    count, channels, height, width = inputs[0].shape
    apart = inputs[0].reshape(count, block, block, channels // block**2, height, width)
    joined = apart.permute(0, 3, 4, 1, 5, 2)
    return (joined.reshape(count, channels // block**2, height * block, width * block),)


def _channel_shuffle(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    return (functional.channel_shuffle(inputs[0], node.get("groups", 1)),)


def _reshape(graph: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    """Of whole batches where the first axis is the batch's."""
    shape = graph.shapes[node.output]
    kept = shape[0] == graph.shapes[node.inputs[0]][0] == 1
    batch = inputs[0].shape[0] if kept else shape[0]
    return (inputs[0].reshape(batch, *shape[1:]),)


def _transpose(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    return (inputs[0].permute(node.ints("perm")),)


def _softmax(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    return (inputs[0].softmax(node.get("axis", -1)),)


def _layer_norm(_: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    axes = inputs[0].shape[node.get("axis", -1) :]
    gain, bias = inputs[1].reshape(axes), inputs[2].reshape(axes) if len(inputs) > 2 else None
    return (functional.layer_norm(inputs[0], axes, gain, bias, node.get("epsilon", 1e-5)),)


def _reduce(compute: Callable[..., Tensor]) -> Operator:
    """An operator over the axes that its second input names."""

    def reduced(graph: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
        axes = reduced_axes(graph, node)
        if axes is None or 0 in axes:
            raise CalibrationError(f"{node}: learning does not know its axes")
        return (compute(inputs[0], axes, keepdim=bool(node.get("keepdims", 1))),)

    return reduced


def _pad(graph: Graph, node: Node, inputs: Inputs) -> Sequence[Tensor]:
    pads = graph.values(node.input(1))
    if pads is None or node.input(3) or node.get("mode", "constant") != "constant":
        raise CalibrationError(f"{node}: learning does not know its padding")
    half = len(pads) // 2
    ends = [int(v) for axis in reversed(range(half)) for v in (pads[axis], pads[half + axis])]
    value = graph.scalar(node.input(2)) if node.input(2) else 0.0
    return (functional.pad(inputs[0], ends, value=value or 0.0),)


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "Abs": _plain(torch.abs),
        "Add": _plain(torch.add),
        "AveragePool": _average_pool,
        "ChannelShuffle": _channel_shuffle,
        "Clip": _clip,
        "Concat": _concat,
        "Conv": _conv,
        "ConvTranspose": _conv_transpose,
        "DepthToSpace": _depth_to_space,
        "Div": _plain(torch.div),
        "Elu": lambda _, node, inputs: (functional.elu(inputs[0], node.get("alpha", 1.0)),),
        "Erf": _plain(torch.erf),
        "Exp": _plain(torch.exp),
        "Gelu": lambda _, node, inputs: (
            functional.gelu(inputs[0], approximate=node.get("approximate", "none")),
        ),
        "GlobalAveragePool": _plain(lambda values: values.mean((2, 3), keepdim=True)),
        "GlobalMaxPool": _plain(lambda values: values.amax((2, 3), keepdim=True)),
        "HardSigmoid": _hard_sigmoid,
        "HardSwish": _plain(functional.hardswish),
        "Identity": _plain(lambda values: values),
        "LayerNormalization": _layer_norm,
        "LeakyRelu": _leaky_relu,
        "Log": _plain(torch.log),
        "MatMul": _plain(torch.matmul),
        "Max": _plain(torch.maximum),
        "MaxPool": _max_pool,
        "Min": _plain(torch.minimum),
        "Mish": _plain(functional.mish),
        "Mul": _plain(torch.mul),
        "Neg": _plain(torch.neg),
        "PRelu": _plain(lambda values, slope: torch.where(values < 0, values * slope, values)),
        "Pad": _pad,
        "Pow": _plain(torch.pow),
        "Reciprocal": _plain(torch.reciprocal),
        "ReduceL2": _reduce(lambda values, axes, keepdim: values.norm(2, axes, keepdim)),
        "ReduceMax": _reduce(torch.amax),
        "ReduceMean": _reduce(torch.mean),
        "ReduceMin": _reduce(torch.amin),
        "ReduceSum": _reduce(torch.sum),
        "Relu": _plain(torch.relu),
        "Reshape": _reshape,
        "Resize": _resize,
        "Sigmoid": _plain(torch.sigmoid),
        "Silu": _plain(functional.silu),
        "Slice": _slice,
        "Softmax": _softmax,
        "Softplus": _plain(functional.softplus),
        "Split": _split,
        "Sqrt": _plain(torch.sqrt),
        "Sub": _plain(torch.sub),
        "Tanh": _plain(torch.tanh),
        "Transpose": _transpose,
    }
)
