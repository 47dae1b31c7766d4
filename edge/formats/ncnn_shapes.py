"""The shapes that ncnn's layers give, as far as they follow from those that they read.

Pinned against the runtime by the tests. Rules raise ValueError with the bare reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import TypeAlias

from edge.formats.ncnn_params import (
    ABSENT,
    Params,
    Shape,
    array,
    groups,
    inputs_per_output,
    kernel,
    memory_shape,
    real,
    whole,
)

# Parameters, input shapes, number of outputs -> output shapes; None where only the runtime knows.
ShapeRule: TypeAlias = Callable[[Params, Sequence[Shape], int], "Sequence[Shape] | None"]

MAX_ELEMENTS = 2**28  # of one blob: 1 GiB of float32
_SAME_UPPER, _SAME_LOWER = -233, -234  # ncnn's codes for padding that keeps size / stride


def _expect_channels(found: int, wanted: int) -> None:
    if found != wanted:
        raise ValueError(f"the weights are for {wanted} input channels, the input has {found}")


def _expect_rank3(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(f"the input is (channels, height, width), got {shape}")
    return shape[0], shape[1], shape[2]


def _convolution_shape(
    params: Params, inputs: Sequence[Shape], _: int, *, grouped: bool = False
) -> Sequence[Shape]:
    outputs = whole(params, 0, low=1)
    wanted = inputs_per_output(params) * (groups(params) if grouped else 1)
    _expect_channels(inputs[0][0], wanted)
    kernel_h, kernel_w = kernel(params)
    if len(inputs[0]) == 1 and (kernel_h, kernel_w) == (1, 1) and not grouped:
        if whole(params, 8):  # the runtime computes it, but from the wrong numbers
            raise ValueError("an INT8 convolution of one axis is wanted as InnerProduct")
        return [(outputs,)]
    _, height, width = _expect_rank3(inputs[0])
    stride_w, dilation_w = whole(params, 3, 1, low=1), whole(params, 2, 1, low=1)
    stride_h, dilation_h = whole(params, 13, stride_w, low=1), whole(params, 12, dilation_w, low=1)
    pads_w, pads_h = _pads(params, 4, 15), _pads(params, 14, 16, whole(params, 4))
    return [
        (
            outputs,
            _slide(height, dilation_h * (kernel_h - 1) + 1, stride_h, pads_h),
            _slide(width, dilation_w * (kernel_w - 1) + 1, stride_w, pads_w),
        )
    ]


def _depthwise_shape(params: Params, inputs: Sequence[Shape], n: int) -> Sequence[Shape]:
    return _convolution_shape(params, inputs, n, grouped=True)


def _pads(params: Params, before: int, after: int, default: int = 0) -> int | None:
    """Rows or columns that padding adds; None where it keeps size / stride."""
    first = whole(params, before, default)
    second = whole(params, after, first)
    if first == second and first in (_SAME_UPPER, _SAME_LOWER):
        return None
    if first < 0 or second < 0:
        raise ValueError(f"padding is at least 0, got {first} and {second}")
    return first + second


def _slide(size: int, extent: int, stride: int, pads: int | None, *, ceil: bool = False) -> int:
    if pads is None:
        return -(-size // stride)
    room = size + pads - extent
    if room < 0:
        raise ValueError(f"a window of {extent} does not fit into {size} + {pads} padding")
    return (-(-room // stride) if ceil else room // stride) + 1


def _deconvolution_shape(
    params: Params, inputs: Sequence[Shape], _: int, *, grouped: bool = False
) -> Sequence[Shape] | None:
    if whole(params, 20) or whole(params, 21):
        return None
    channels, height, width = _expect_rank3(inputs[0])
    wanted = inputs_per_output(params) * (groups(params) if grouped else 1)
    _expect_channels(channels, wanted)
    kernel_h, kernel_w = kernel(params)
    stride_w, dilation_w = whole(params, 3, 1, low=1), whole(params, 2, 1, low=1)
    stride_h, dilation_h = whole(params, 13, stride_w, low=1), whole(params, 12, dilation_w, low=1)
    pads_w, pads_h = _pads(params, 4, 15), _pads(params, 14, 16, whole(params, 4))
    if pads_w is None or pads_h is None:
        return None
    out_h = (height - 1) * stride_h + dilation_h * (kernel_h - 1) + 1 + whole(params, 19, low=0)
    out_w = (width - 1) * stride_w + dilation_w * (kernel_w - 1) + 1 + whole(params, 18, low=0)
    return [(whole(params, 0, low=1), out_h - pads_h, out_w - pads_w)]


def _deconvolution_depthwise_shape(
    params: Params, inputs: Sequence[Shape], n: int
) -> Sequence[Shape] | None:
    return _deconvolution_shape(params, inputs, n, grouped=True)


def _inner_product_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    outputs = whole(params, 0, low=1)
    wanted = whole(params, 2, low=1) // outputs
    shape = inputs[0]
    if len(shape) == 2 and shape[1] == wanted:
        return [(shape[0], outputs)]
    if prod(shape) != wanted:
        raise ValueError(f"the weights are for {wanted} values, the input is {shape}")
    return [(outputs,)]


def _pooling_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    channels, height, width = _expect_rank3(inputs[0])
    if whole(params, 4):
        return [(channels,)]
    if whole(params, 7):
        out_w = whole(params, 8)
        out_h = whole(params, 18, out_w)
        return [
            (
                channels,
                height if out_h == ABSENT else out_h,
                width if out_w == ABSENT else out_w,
            )
        ]
    kernel_h, kernel_w = kernel(params)
    stride_w = whole(params, 2, 1, low=1)
    stride_h = whole(params, 12, stride_w, low=1)
    mode = whole(params, 5)
    pads_w: int | None = None
    pads_h: int | None = None
    if mode in (0, 1):
        left = whole(params, 3, low=0)
        top = whole(params, 13, left, low=0)
        pads_w = left + whole(params, 14, left, low=0)
        pads_h = top + whole(params, 15, top, low=0)
    return [
        (
            channels,
            _slide(height, kernel_h, stride_h, pads_h, ceil=mode == 0),
            _slide(width, kernel_w, stride_w, pads_w, ceil=mode == 0),
        )
    ]


def _same_shape(_: Params, inputs: Sequence[Shape], n: int) -> Sequence[Shape]:
    return [inputs[0]] * n


def _per_channel_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    """One value per channel of the input, or one for all."""
    count = whole(params, 0)
    if count != 1:
        _expect_channels(inputs[0][0], count)
    return [inputs[0]]


def _batch_norm_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    _expect_channels(inputs[0][0], whole(params, 0))
    return [inputs[0]]


def _binary_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    if whole(params, 1):
        return [inputs[0]]
    small, large = sorted(inputs, key=len)
    if len(small) == len(large):
        if any(a != b and 1 not in (a, b) for a, b in zip(small, large, strict=True)):
            raise ValueError(f"shapes {inputs[0]} and {inputs[1]} do not broadcast")
        return [tuple(map(max, small, large))]
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
    left, found = shape[axis], []
    for index, size in enumerate(sizes):
        part = left // (n - index) if size == ABSENT else size
        if not isinstance(part, int) or not 0 < part <= left:
            raise ValueError(f"sizes {sizes} do not fit into the {shape[axis]} of axis {axis}")
        left -= part
        found.append((*shape[:axis], part, *shape[axis + 1 :]))
    return found


def _shuffle_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    channels = _expect_rank3(inputs[0])[0]
    if channels % whole(params, 0, 1, low=1):
        raise ValueError(f"{channels} channels do not divide into {whole(params, 0, 1)} groups")
    return [inputs[0]]


def _pixel_shuffle_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape]:
    channels, height, width = _expect_rank3(inputs[0])
    factor = whole(params, 0, 1, low=1)
    if channels % factor**2:
        raise ValueError(f"{channels} channels do not divide into {factor} x {factor} cells")
    return [(channels // factor**2, height * factor, width * factor)]


def _interp_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    if len(inputs) > 1 or whole(params, 5) or 9 in params or len(inputs[0]) != 3:
        return None
    channels, height, width = inputs[0]
    out_h = whole(params, 3, low=0) or int(height * real(params, 1, 1.0))
    out_w = whole(params, 4, low=0) or int(width * real(params, 2, 1.0))
    return [(channels, out_h, out_w)]


def _reshape_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    if len(inputs) > 1 or 6 in params or len(inputs[0]) > 3 or 11 in params:
        return None
    shape = (1,) * (3 - len(inputs[0])) + inputs[0]
    wanted = [whole(params, key, ABSENT) for key in (2, 1, 0)]
    found = [
        size if asked == 0 else asked
        for asked, size in zip(wanted, shape, strict=True)
        if asked != ABSENT
    ]
    total, known = prod(shape), prod(size for size in found if size != -1)
    if found.count(-1) > 1 or known < 1 or total % known:
        raise ValueError(f"{inputs[0]} does not reshape to {tuple(found)}")
    result = tuple(total // known if size == -1 else size for size in found)
    if not result or prod(result) != total:
        raise ValueError(f"{inputs[0]} does not reshape to {tuple(found)}")
    return [result]


_PERMUTED = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def _permute_shape(params: Params, inputs: Sequence[Shape], _: int) -> Sequence[Shape] | None:
    shape, order = inputs[0], whole(params, 0, low=0)
    if len(shape) == 2 and order < 2:
        return [shape[::-1] if order else shape]
    if len(shape) != 3 or order >= len(_PERMUTED):
        return None
    return [tuple(shape[axis] for axis in _PERMUTED[order])]


def _flatten_shape(_: Params, inputs: Sequence[Shape], __: int) -> Sequence[Shape]:
    return [(prod(inputs[0]),)]


def _memory_data_shape(params: Params, _: Sequence[Shape], __: int) -> Sequence[Shape]:
    return [memory_shape(params)]


# fmt: off
_SHAPE_KEPT = (
    "AbsVal", "BNLL", "CELU", "Clip", "Dropout", "ELU", "Erf", "Exp", "GELU", "HardSigmoid",
    "HardSwish", "Log", "Mish", "Power", "ReLU", "SELU", "Shrink", "Sigmoid", "Softmax",
    "Softplus", "Swish", "TanH", "Threshold", "UnaryOp",
)
# fmt: on

# The shapes of a layer type that is not here are known to the runtime alone.
SHAPES: Mapping[str, ShapeRule] = MappingProxyType(
    {
        "MemoryData": _memory_data_shape,
        "Split": _same_shape,
        "Convolution": _convolution_shape,
        "ConvolutionDepthWise": _depthwise_shape,
        "Deconvolution": _deconvolution_shape,
        "DeconvolutionDepthWise": _deconvolution_depthwise_shape,
        "InnerProduct": _inner_product_shape,
        "BatchNorm": _batch_norm_shape,
        "LayerNorm": _same_shape,
        "Bias": _per_channel_shape,
        "Scale": _per_channel_shape,
        "PReLU": _per_channel_shape,
        "Quantize": _same_shape,
        "Dequantize": _same_shape,
        "Requantize": _same_shape,
        "Pooling": _pooling_shape,
        "BinaryOp": _binary_shape,
        "Concat": _concat_shape,
        "Slice": _slice_shape,
        "ShuffleChannel": _shuffle_shape,
        "PixelShuffle": _pixel_shuffle_shape,
        "Interp": _interp_shape,
        "Reshape": _reshape_shape,
        "Permute": _permute_shape,
        "Flatten": _flatten_shape,
        **dict.fromkeys(_SHAPE_KEPT, _same_shape),
    }
)
