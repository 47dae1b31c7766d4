"""Operators on images, by windows or in height and width, for TensorFlow Lite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibration.emit.base import RefusalError
from calibration.emit.tflite_int8 import parameters
from calibration.emit.tflite_writer import Writer
from calibration.graph import Node, Shape
from edge.types import AnyArray

_SAME, _VALID = 0, 1  # the schema's Padding
_LOWEST = float(np.finfo(np.float32).min)


def _weights(writer: Writer, node: Node) -> tuple[AnyArray, AnyArray]:
    weight, bias = writer.graph.values(node.inputs[1]), writer.graph.values(node.input(2))
    if weight is None or (node.input(2) and bias is None):
        raise RefusalError("its weights are not constant")
    if weight.ndim != 4:
        raise RefusalError(f"a convolution in {weight.ndim - 2} dimensions")
    outputs = weight.shape[0] if node.op == "Conv" else weight.shape[1] * node.get("group", 1)
    return weight, np.zeros(outputs, np.float32) if bias is None else bias


def convolution(writer: Writer, node: Node) -> None:
    """Conv, plain, depthwise or grouped, with the ReLU behind it."""
    weight = _weights(writer, node)[0]
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
    result = [writer.result(target, image=True)]
    if groups == channels and weight.shape[1] == 1 and groups > 1:
        inputs = [source, *_parameters(writer, node, (1, 2, 3, 0), 3)]
        options["depthMultiplier"] = len(weight) // groups
        code, kind, version = "DEPTHWISE_CONV_2D", "DepthwiseConv2D", 2
    else:
        inputs = [source, *_parameters(writer, node, (0, 2, 3, 1), 0)]
        code, kind, version = "CONV_2D", "Conv2D", 6 if groups > 1 else 1
    writer.model.add(code, inputs, result, kind, version=version, **options)


def _parameters(writer: Writer, node: Node, order: tuple[int, ...], axis: int) -> tuple[int, int]:
    """The numbers of weight and bias, the weight's axes in this order, outputs at `axis`."""
    if writer.is_layer(node):
        return parameters(writer.model, writer.plan, node, order, axis)
    weight, bias = _weights(writer, node)
    kernel = writer.constant(weight.transpose(order), f"{node.output}/weight")
    return kernel, writer.constant(bias, f"{node.output}/bias")


def _pads(
    writer: Writer, node: Node, extent: Sequence[int], strides: Sequence[int]
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
    writer: Writer, node: Node, strides: Sequence[int], pads: Sequence[Sequence[int]]
) -> bool:
    """Whether this padding is TensorFlow's SAME: the odd row or column comes last."""
    sizes, results = writer.shape(node.inputs[0])[2:], writer.shape(node.output)[2:]
    return all(
        result == -(-size // stride) and after - before in (0, 1)
        for size, result, stride, (before, after) in zip(sizes, results, strides, pads, strict=True)
    )


def _padded(
    writer: Writer, node: Node, extent: Sequence[int], strides: Sequence[int], value: float
) -> tuple[int, int]:
    """The input of a window operator, padded where the operator cannot, and its kind of padding."""
    source = writer.get(node.inputs[0], image=True)
    pads = _pads(writer, node, extent, strides)
    if _is_same(writer, node, strides, pads):
        return source, _SAME
    if not any(map(any, pads)):
        return source, _VALID
    batch, channels, *sizes = writer.shape(node.inputs[0])
    height, width = (size + sum(pad) for size, pad in zip(sizes, pads, strict=True))
    padded = writer.inner(f"{node.output}/padded", (batch, height, width, channels))
    table = writer.constant(np.array([[0, 0], *pads, [0, 0]], np.int32), "pads")
    if value == 0:
        writer.model.add("PAD", [source, table], [padded], "Pad")
    else:
        writer.model.add("PADV2", [source, table, writer.number(value)], [padded], "PadV2")
    return padded, _VALID


def transposed_convolution(writer: Writer, node: Node) -> None:
    """ConvTranspose, where padding is a crop of the whole."""
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
    source = writer.get(node.inputs[0], image=True)
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
        result = [writer.result(target, image=True)]
        writer.model.add("TRANSPOSE_CONV", inputs, result, "TransposeConv", version=4, **options)
        return
    whole = writer.inner(f"{node.output}/whole", (batch, *full, channels))
    writer.model.add("TRANSPOSE_CONV", inputs, [whole], "TransposeConv", version=3, **options)
    begin = writer.numbers(0, pads[0], pads[1], 0)
    size = writer.numbers(*writer.stored_shape(node.output, True))
    writer.model.add(
        "SLICE", [whole, begin, size], [writer.result(node.output, image=True)], "Slice"
    )


def pool(writer: Writer, node: Node) -> None:
    """MaxPool and AveragePool."""
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
        [writer.result(node.output, image=True)],
        "Pool2D",
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        filterHeight=kernel[0],
        filterWidth=kernel[1],
    )


def _zero_padded(writer: Writer, node: Node, pads: Sequence[Sequence[int]]) -> int:
    batch, channels, *sizes = writer.shape(node.inputs[0])
    height, width = (size + sum(pad) for size, pad in zip(sizes, pads, strict=True))
    padded = writer.inner(f"{node.output}/padded", (batch, height, width, channels))
    table = writer.constant(np.array([[0, 0], *pads, [0, 0]], np.int32), "pads")
    writer.model.add("PAD", [writer.get(node.inputs[0], image=True), table], [padded], "Pad")
    return padded


def global_pool(writer: Writer, node: Node) -> None:
    """GlobalAveragePool and GlobalMaxPool."""
    code = "MEAN" if node.op == "GlobalAveragePool" else "REDUCE_MAX"
    inputs = [writer.get(node.inputs[0], image=True), writer.numbers(1, 2)]
    result = [writer.result(node.output, image=True)]
    writer.model.add(code, inputs, result, "Reducer", keepDims=True)


def resize(writer: Writer, node: Node) -> None:
    """Resize, nearest or linear."""
    shape, out = writer.shape(node.inputs[0]), writer.shape(node.output)
    where, mode = (
        node.get("coordinate_transformation_mode", "half_pixel"),
        node.get("mode", "nearest"),
    )
    if len(shape) != 4 or shape[:2] != out[:2]:
        raise RefusalError("only height and width of an image are resized")
    whole = all(new % old == 0 for new, old in zip(out[2:], shape[2:], strict=True))
    inputs = [writer.get(node.inputs[0], image=True), writer.numbers(*out[2:])]
    result = [writer.result(node.output, image=True)]
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


def depth_to_space(writer: Writer, node: Node) -> None:
    """DepthToSpace; the order CRD as channels in another order."""
    block, source = node.get("blocksize", 1), writer.get(node.inputs[0], image=True)
    channels = writer.shape(node.inputs[0])[1]
    if node.get("mode", "DCR") == "CRD":
        order = np.arange(channels).reshape(-1, block * block).T.reshape(-1)
        inputs = [source, writer.numbers(*order.tolist())]
        source = writer.step(node, "GATHER", inputs, "Gather", axis=3)
    result = [writer.result(node.output, image=True)]
    writer.model.add("DEPTH_TO_SPACE", [source], result, "DepthToSpace", blockSize=block)


def channel_shuffle(writer: Writer, node: Node) -> None:
    """Channels (groups, n) become (n, groups)."""
    groups, (batch, channels, height, width) = node.get("groups", 1), writer.shape(node.inputs[0])
    source = writer.get(node.inputs[0], image=True)
    apart = (batch, height, width, groups, channels // groups)
    inner = _reshape_to(writer, source, apart, f"{node.output}/apart")
    turned = writer.inner(f"{node.output}/turned", (*apart[:3], apart[4], apart[3]))
    writer.turn(inner, turned, (0, 1, 2, 4, 3))
    result = writer.result(node.output, image=True)
    sizes = (batch, height, width, channels)
    writer.model.add(
        "RESHAPE",
        [turned, writer.numbers(*sizes)],
        [result],
        "Reshape",
        newShape=np.array(sizes, np.int32),
    )


def _reshape_to(writer: Writer, source: int, shape: Shape, name: str) -> int:
    number = writer.inner(name, shape)
    inputs = [source, writer.numbers(*shape)]
    writer.model.add("RESHAPE", inputs, [number], "Reshape", newShape=np.array(shape, np.int32))
    return number
