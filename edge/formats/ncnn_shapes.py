"""The shapes that ncnn's layers give, as far as they follow from those that they read.

Pinned against the runtime by the tests. Rules raise ValueError with the bare reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from math import prod
from types import MappingProxyType
from typing import TypeAlias

from edge.formats.ncnn_params import (
    ABSENT,
    Params,
    Shape,
    array,
    expression,
    memory_shape,
    real,
    whole,
)
from edge.formats.ncnn_windows import (
    convolution_shape,
    deconvolution_depthwise_shape,
    deconvolution_shape,
    depthwise_shape,
    expect_channels,
    expect_rank3,
    padding_shape,
    pooling_shape,
)

# Parameters, input shapes, number of outputs -> output shapes; None for a form of the layer that
# is not known here.
ShapeRule: TypeAlias = Callable[[Params, Sequence[Shape], int], "Sequence[Shape] | None"]

MAX_ELEMENTS = 2**28  # of one blob: 1 GiB of float32
BINARY_OPERATIONS = 12
REDUCTIONS = 11
LINEAR, CUBIC = 2, 3  # kinds of Interp


def _same_shape(_: Params, inputs: Sequence[Shape], n: int) -> Sequence[Shape]:
    return [inputs[0]] * n


def _per_channel_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    expect_channels(inputs[0][0], whole(params, 0))
    return [inputs[0]]


def _one_or_per_channel_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    """One value for all channels, or one for each."""
    if whole(params, 0, 1) != 1:
        expect_channels(inputs[0][0], whole(params, 0, 1))
    return [inputs[0]]


def _inner_product_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    outputs = whole(params, 0, low=1)
    expected = whole(params, 2, low=1) // outputs
    shape = inputs[0]
    if len(shape) == 2 and shape[1] == expected:
        return [(shape[0], outputs)]
    if prod(shape) != expected:
        raise ValueError(f"the weights are for {expected} values, the input is {shape}")
    return [(outputs,)]


def _binary_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    if not 0 <= whole(params, 0) < BINARY_OPERATIONS:
        raise ValueError(f"operation {whole(params, 0)} is not one of {BINARY_OPERATIONS}")
    if whole(params, 1):
        return [inputs[0]]
    small, large = sorted(inputs, key=len)
    if len(small) == len(large):
        if any(a != b and 1 not in (a, b) for a, b in zip(small, large, strict=True)):
            raise ValueError(f"shapes {inputs[0]} and {inputs[1]} do not broadcast")
        return [tuple(map(max, small, large))]
    if len(small) == 2 and len(large) == 3:  # rows stand for channels
        if small[0] != large[0] or small[1] not in (1, large[1]):
            raise ValueError(f"shapes {inputs[0]} and {inputs[1]} do not broadcast")
        return [large]
    if len(small) > 1:
        return None
    if small[0] not in (1, large[0], large[-1]):
        raise ValueError(f"shapes {inputs[0]} and {inputs[1]} do not broadcast")
    return [large]


def _axis(params: Params, key: int, shape: Shape) -> int:
    axis = whole(params, key)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis {axis} is not one of {shape}")
    return axis % len(shape)


def _concat_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    axis = _axis(params, 0, inputs[0])
    rests = {shape[:axis] + shape[axis + 1 :] for shape in inputs}
    if len(rests) > 1 or len({len(shape) for shape in inputs}) > 1:
        raise ValueError(f"shapes {', '.join(map(str, inputs))} do not join along axis {axis}")
    joined = sum(shape[axis] for shape in inputs)
    return [(*inputs[0][:axis], joined, *inputs[0][axis + 1 :])]


def _slice_shape(params: Params, inputs: Sequence[Shape], n: int) -> Sequence[Shape] | None:
    if 2 in params:
        return None
    shape, sizes = inputs[0], array(params, 0)
    axis = _axis(params, 1, shape)
    if len(sizes) != n:
        raise ValueError(f"{len(sizes)} sizes for {n} outputs")
    left, shapes = shape[axis], []
    for index, size in enumerate(sizes):
        part = left // (n - index) if size == ABSENT else size
        if not isinstance(part, int) or not 0 < part <= left:
            raise ValueError(f"sizes {sizes} do not fit into the {shape[axis]} of axis {axis}")
        left -= part
        shapes.append((*shape[:axis], part, *shape[axis + 1 :]))
    return shapes


def _shuffle_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    channels = expect_rank3(inputs[0])[0]
    if channels % whole(params, 0, 1, low=1):
        raise ValueError(f"{channels} channels do not divide into {whole(params, 0, 1)} groups")
    return [inputs[0]]


def _pixel_shuffle_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    channels, height, width = expect_rank3(inputs[0])
    factor = whole(params, 0, 1, low=1)
    if channels % factor**2:
        raise ValueError(f"{channels} channels do not divide into {factor} x {factor} cells")
    return [(channels // factor**2, height * factor, width * factor)]


def _interp_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    kind, text = whole(params, 0), params.get(9)
    if (len(inputs) > 1 and not text) or whole(params, 5) or len(inputs[0]) != 3:
        return None
    channels, height, width = inputs[0]
    out_h, out_w = whole(params, 3, low=0), whole(params, 4, low=0)
    if isinstance(text, str):
        sizes = expression(text, inputs)
        if len(sizes) != 2:
            raise ValueError(f"{text} gives {len(sizes)} sizes, 2 are wanted")
        out_w, out_h = sizes
    if not out_h or not out_w:
        out_h, out_w = int(height * real(params, 1, 1.0)), int(width * real(params, 2, 1.0))
    if kind not in (1, LINEAR, CUBIC):
        raise ValueError(f"parameter 0 (nearest, linear, cubic) is 1 to 3, got {kind}")
    minimum = {LINEAR: 2, CUBIC: 4}.get(kind, 1)  # what the runtime reads without looking
    if min(height, width) < minimum and (out_h, out_w) != (height, width):
        raise ValueError(f"{height} x {width} is too small for it, {minimum} x {minimum} is wanted")
    return [(channels, out_h, out_w)]


def _reshape_shape(params: Params, inputs: Sequence[Shape], n: int) -> Sequence[Shape] | None:
    if isinstance(text := params.get(6), str) and params.keys() <= {0, 1, 2, 6, 11}:
        sizes = expression(text, inputs)  # from the last axis to the first
        keys = {1: (0,), 2: (0, 1), 3: (0, 1, 2), 4: (0, 1, 11, 2)}.get(len(sizes), ())
        if not keys:
            raise ValueError(f"{text} gives {len(sizes)} sizes, 1 to 4 are wanted")
        return _reshape_shape(dict(zip(keys, sizes, strict=True)), inputs[:1], n)
    if len(inputs) > 1 or not params.keys() <= {0, 1, 2, 11}:
        return None
    shape = inputs[0]
    depth = shape[1:2] if len(shape) == 4 else (1,)
    full = (1, 1, 1, *shape)[-3:] if len(shape) < 3 else (shape[0], *shape[-2:])
    axes = [(whole(params, key, ABSENT), size) for key, size in zip((2, 1, 0), full, strict=True)]
    if whole(params, 2, ABSENT) != ABSENT and whole(params, 11, ABSENT) != ABSENT:
        axes.insert(1, (whole(params, 11), depth[0]))
    while axes and ABSENT in (asked for asked, _ in axes):
        del axes[0]  # a shape ends where an axis is missing
    sizes = [size if asked == 0 else asked for asked, size in axes]
    total, known = prod(shape), prod(size for size in sizes if size != -1)
    if not sizes or sizes.count(-1) > 1 or known < 1 or total % known:
        raise ValueError(f"{shape} does not reshape to {tuple(sizes)}")
    reshaped = tuple(total // known if size == -1 else size for size in sizes)
    if prod(reshaped) != total:
        raise ValueError(f"{shape} does not reshape to {tuple(sizes)}")
    return [reshaped]


# ncnn's number of each order of axes, by number of axes: those of the output in the input.
PERMUTATIONS: Mapping[int, tuple[tuple[int, ...], ...]] = MappingProxyType(
    {count: tuple(permutations(range(count))) for count in (2, 3, 4)}
)


def _permute_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    shape, order = inputs[0], whole(params, 0, low=0)
    orders = PERMUTATIONS.get(len(shape), ((0,),))
    if order >= len(orders):
        raise ValueError(f"parameter 0 (order) is {order}, there are {len(orders)} for {shape}")
    return [tuple(shape[axis] for axis in orders[order])]


def _layer_norm_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    """Along the last axis, or of each image as a whole."""
    shape, size = inputs[0], whole(params, 0)
    if len(shape) > 3:
        return None
    if size != shape[-1] and (len(shape) < 3 or size != prod(shape[1:])):
        raise ValueError(f"the weights are for {size} values, the input is {shape}")
    return [shape]


def _softmax_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    _axis(params, 0, inputs[0])
    return [inputs[0]]


def _eltwise_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    if len(inputs[0]) != 3:
        return None
    if len(set(inputs)) > 1:
        raise ValueError(f"shapes {inputs[0]} and {next(s for s in inputs if s != inputs[0])}")
    if whole(params, 0) not in (0, 1, 2):
        raise ValueError(f"operation {whole(params, 0)} is not product, sum or maximum")
    if len(array(params, 1)) not in (0, len(inputs)):
        raise ValueError(f"{len(array(params, 1))} factors for {len(inputs)} inputs")
    return [inputs[0]]


def _reduction_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    shape, axes = inputs[0], array(params, 3)
    if not 0 <= whole(params, 0) < REDUCTIONS:
        raise ValueError(f"operation {whole(params, 0)} is not one of {REDUCTIONS}")
    gone = set(range(len(shape)))
    if not whole(params, 1, 1):
        if whole(params, 5) != 1 or not axes:  # of old, the axes counted the batch
            return None
        gone = {_axis({0: axis}, 0, shape) for axis in axes}
    if whole(params, 4):
        return [tuple(1 if axis in gone else size for axis, size in enumerate(shape))]
    return [tuple(size for axis, size in enumerate(shape) if axis not in gone) or (1,)]


def _matmul_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    a, b = inputs
    if len(a) != len(b) or len(a) < 2:
        return None
    length, columns = (b[-1], b[-2]) if whole(params, 0) else (b[-2], b[-1])
    batches = [max(sizes) for sizes in zip(a[:-2], b[:-2], strict=True)]
    fits = all({x, y} <= {1, n} for x, y, n in zip(a[:-2], b[:-2], batches, strict=True))
    if a[-1] != length or not fits:
        raise ValueError(f"shapes {a} and {b} do not multiply")
    return [(*batches, a[-2], columns)]


def _crop_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    """The form with starts, ends and axes; sizes of old forms are not known here."""
    texts = {key: text for key in (19, 20, 21) if isinstance(text := params.get(key), str)}
    evaluated = {key - 10: tuple(expression(text, inputs)) for key, text in texts.items()}
    known = {**{k: v for k, v in params.items() if k not in texts}, **evaluated}
    if (len(inputs) > 1 and not texts) or known.keys() != {9, 10, 11}:
        return None
    starts, ends, axes = (array(known, key) for key in (9, 10, 11))
    if not len(starts) == len(ends) == len(axes) > 0:
        raise ValueError(f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes")
    cropped = list(inputs[0])
    cut = [_axis({0: axis}, 0, inputs[0]) for axis in axes]
    if len(set(cut)) < len(cut):
        raise ValueError(f"axes {axes} name one twice")
    for axis, low, high in zip(cut, starts, ends, strict=True):
        size = inputs[0][axis]
        start, end = whole({0: low}, 0), whole({0: high}, 0)
        start = 0 if start == ABSENT else start if start >= 0 else size + start
        end = size if end == ABSENT else min(size, end) if end > 0 else size + end
        if not 0 <= start < end:
            raise ValueError(f"{low} to {high} is not within the {size} of axis {axis}")
        cropped[axis] = end - start
    return [tuple(cropped)]


def _flatten_shape(_: Params, inputs: Sequence[Shape], __: int) -> Sequence[Shape]:
    return [(prod(inputs[0]),)]


def _memory_data_shape(params: Params, _: Sequence[Shape], __: int) -> Sequence[Shape]:
    return [memory_shape(params)]


# fmt: off
SHAPE_KEPT = (
    "AbsVal", "BNLL", "CELU", "Clip", "Dropout", "ELU", "Erf", "Exp", "GELU", "HardSigmoid",
    "HardSwish", "Log", "Mish", "Power", "ReLU", "SELU", "Shrink", "Sigmoid", "Softplus",
    "Swish", "TanH", "Threshold", "UnaryOp",
)
# fmt: on

# A layer type that is not here is not run: nobody would check what it reads. Dequantize and
# Requantize read 32-bit sums, which no layer here writes.
SHAPES: Mapping[str, ShapeRule] = MappingProxyType(
    {
        "MemoryData": _memory_data_shape,
        "Split": _same_shape,
        "Convolution": convolution_shape,
        "ConvolutionDepthWise": depthwise_shape,
        "Deconvolution": deconvolution_shape,
        "DeconvolutionDepthWise": deconvolution_depthwise_shape,
        "InnerProduct": _inner_product_shape,
        "BatchNorm": _per_channel_shape,
        "LayerNorm": _layer_norm_shape,
        "Bias": _per_channel_shape,
        "Scale": _per_channel_shape,
        "PReLU": _one_or_per_channel_shape,
        "Quantize": _one_or_per_channel_shape,
        "Padding": padding_shape,
        "Crop": _crop_shape,
        "Eltwise": _eltwise_shape,
        "MatMul": _matmul_shape,
        "Reduction": _reduction_shape,
        "Softmax": _softmax_shape,
        "Pooling": pooling_shape,
        "BinaryOp": _binary_shape,
        "Concat": _concat_shape,
        "Slice": _slice_shape,
        "ShuffleChannel": _shuffle_shape,
        "PixelShuffle": _pixel_shuffle_shape,
        "Interp": _interp_shape,
        "Reshape": _reshape_shape,
        "Permute": _permute_shape,
        "Flatten": _flatten_shape,
        **dict.fromkeys(SHAPE_KEPT, _same_shape),
    }
)
