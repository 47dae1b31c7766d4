"""What ncnn's layer types are: their blobs, the weights they own, the shapes they give.

Source: ncnn's operator and weight tables; sizes and shapes are pinned against the runtime itself
by the tests. Rules raise ValueError with the bare reason; the reader adds file and layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import TypeAlias

Value: TypeAlias = "int | float | str | tuple[int | float, ...]"
Params: TypeAlias = Mapping[int, Value]
Shape: TypeAlias = tuple[int, ...]  # slowest axis first: (c, h, w), (h, w) or (w,)

MAX_ELEMENTS = 2**28  # of one blob: 1 GiB of float32
FLOAT32_MAX = 3.402823e38  # the default bounds of Clip
_SAME_UPPER, _SAME_LOWER = -233, -234  # ncnn's codes for padding that keeps size / stride
_ABSENT = -233  # ncnn's code for "no such axis" and for "what remains"
_MANY = 4096
# none, ReLU, leaky ReLU (slope), clip (low, high), sigmoid, mish, hard swish (alpha, beta)
_ACTIVATION_NUMBERS = (0, 0, 1, 2, 0, 0, 2)


@dataclass(frozen=True, slots=True)
class Block:
    """One array in a .bin: how many values, and whether a type tag stands before them."""

    count: int
    tagged: bool = False


@dataclass(frozen=True, slots=True)
class LayerType:
    """What is known of a layer type.

    Attributes:
        inputs: Fewest and most blobs that it reads; from its parameters, where they decide.
        outputs: Fewest and most blobs that it writes.
        blocks: Its arrays in the .bin, in order.
        shapes: Shapes of its outputs, from parameters, input shapes and the number of outputs;
            None where only the runtime knows.
    """

    inputs: tuple[int, int] | Callable[[Params], tuple[int, int]] = (1, 1)
    outputs: tuple[int, int] = (1, 1)
    blocks: Callable[[Params], tuple[Block, ...]] = lambda _: ()
    shapes: Callable[[Params, Sequence[Shape], int], Sequence[Shape] | None] = lambda *_: None


def whole(params: Params, key: int, default: int = 0, *, low: int = -(2**31)) -> int:
    """The whole number under a key.

    Raises:
        ValueError: It is something else, or below `low`.
    """
    value = params.get(key, default)
    if not isinstance(value, int):
        raise ValueError(f"parameter {key} is a whole number, got {value!r}")
    if value < low:
        raise ValueError(f"parameter {key} is at least {low}, got {value}")
    return value


def real(params: Params, key: int, default: float) -> float:
    """The number under a key.

    Raises:
        ValueError: It is something else.
    """
    value = params.get(key, default)
    if not isinstance(value, (int, float)):
        raise ValueError(f"parameter {key} is a number, got {value!r}")
    return float(value)


def array(params: Params, key: int) -> tuple[int | float, ...]:
    """The numbers under a key; empty where it is absent.

    Raises:
        ValueError: It is a single value.
    """
    value = params.get(key, ())
    if not isinstance(value, tuple):
        raise ValueError(f"parameter {key} is an array, got {value!r}")
    return value


# --- weights -----------------------------------------------------------------------------------


def _convolution(params: Params, *, dynamic_key: int = 19) -> tuple[Block, ...]:
    if whole(params, dynamic_key):
        raise ValueError("weights that are computed by the network are not supported")
    _check_activation(params)
    outputs = whole(params, 0, low=1)
    _inputs_per_output(params)
    blocks = [Block(whole(params, 6), tagged=True)]
    if whole(params, 5):
        blocks.append(Block(outputs))
    scales = int8_form(params, {1, 2, 101, 102})
    if scales:
        blocks += [Block(outputs), Block(1)]
        blocks += [Block(1)] if scales > 100 else []
    return tuple(blocks)


def _depthwise(params: Params) -> tuple[Block, ...]:
    blocks = list(_convolution(params))
    scales = int8_form(params, {1, 2, 101, 102})
    if scales:
        per_group = scales in (1, 101)
        blocks[2 if whole(params, 5) else 1] = Block(_groups(params) if per_group else 1)
    return tuple(blocks)


def _deconvolution(params: Params) -> tuple[Block, ...]:
    return _convolution({k: v for k, v in params.items() if k != 8}, dynamic_key=28)


def _inner_product(params: Params) -> tuple[Block, ...]:
    _check_activation(params)
    outputs, size = whole(params, 0, low=1), whole(params, 2, low=1)
    if size % outputs:
        raise ValueError(f"{size} weights do not divide into {outputs} outputs")
    blocks = [Block(size, tagged=True)]
    if whole(params, 1):
        blocks.append(Block(outputs))
    if int8_form(params, {1, 2, 101, 102}):
        blocks += [Block(outputs), Block(1)]
    return tuple(blocks)


def _memory_data(params: Params) -> tuple[Block, ...]:
    return (Block(prod(_memory_shape(params)), tagged=whole(params, 21, 1) == 0),)


def _batch_norm(params: Params) -> tuple[Block, ...]:
    return (Block(whole(params, 0, low=1)),) * 4


def _channels(params: Params) -> tuple[Block, ...]:
    return (Block(whole(params, 0, low=1)),)


def _scale(params: Params) -> tuple[Block, ...]:
    return _channels(params) * (2 if whole(params, 1) else 1)


def _optional(*keys: tuple[int, int]) -> Callable[[Params], tuple[Block, ...]]:
    """An array per (key, default), absent where its size is 0."""

    def blocks(params: Params) -> tuple[Block, ...]:
        counts = [whole(params, key, default, low=0) for key, default in keys]
        return tuple(Block(count) for count in counts if count)

    return blocks


def _check_activation(params: Params) -> None:
    """Refuse a fused activation without its numbers: the runtime would read past their end."""
    kind, numbers = whole(params, 9), array(params, 10)
    if not 0 <= kind < len(_ACTIVATION_NUMBERS) or len(numbers) < _ACTIVATION_NUMBERS[kind]:
        raise ValueError(f"parameters 9 and 10 (activation) are {kind} and {numbers}")


def int8_form(params: Params, known: set[int]) -> int:
    """The INT8 form, parameter 8: 0 for float weights, above 100 where the output is int8 as well.

    Raises:
        ValueError: It is a form that is not known.
    """
    form = whole(params, 8)
    if form not in known | {0}:
        raise ValueError(f"parameter 8 (INT8 form) is 0 or one of {sorted(known)}, got {form}")
    return form


# --- shapes ------------------------------------------------------------------------------------


def _kernel(params: Params) -> tuple[int, int]:
    width = whole(params, 1, low=1)
    return whole(params, 11, width, low=1), width


def _groups(params: Params) -> int:
    groups, outputs = whole(params, 7, 1, low=1), whole(params, 0, low=1)
    if outputs % groups:
        raise ValueError(f"{outputs} outputs do not divide into {groups} groups")
    return groups


def _inputs_per_output(params: Params) -> int:
    """Input channels that one output channel reads."""
    size, cell = whole(params, 6, low=1), whole(params, 0, low=1) * prod(_kernel(params))
    if size % cell:
        raise ValueError(f"{size} weights do not divide into outputs x kernel = {cell}")
    return size // cell


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
    wanted = _inputs_per_output(params) * (_groups(params) if grouped else 1)
    _expect_channels(inputs[0][0], wanted)
    kernel_h, kernel_w = _kernel(params)
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
    wanted = _inputs_per_output(params) * (_groups(params) if grouped else 1)
    _expect_channels(channels, wanted)
    kernel_h, kernel_w = _kernel(params)
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
                height if out_h == _ABSENT else out_h,
                width if out_w == _ABSENT else out_w,
            )
        ]
    kernel_h, kernel_w = _kernel(params)
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


def _binary_inputs(params: Params) -> tuple[int, int]:
    return (1, 1) if whole(params, 1) else (2, 2)


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
        part = left // (n - index) if size == _ABSENT else size
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
    wanted = [whole(params, key, _ABSENT) for key in (2, 1, 0)]
    found = [
        size if asked == 0 else asked
        for asked, size in zip(wanted, shape, strict=True)
        if asked != _ABSENT
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


def _memory_shape(params: Params) -> Shape:
    sizes = [whole(params, key, low=0) for key in (2, 11, 1, 0)]
    while len(sizes) > 1 and sizes[0] == 0:
        del sizes[0]  # an axis that it does not have
    if sizes[0] and len(sizes) == 4 and sizes[1] == 0:
        del sizes[1]  # channels without depth
    if 0 in sizes:
        raise ValueError(f"its shape {tuple(sizes)} holds no values")
    return tuple(sizes)


def _memory_data_shape(params: Params, _: Sequence[Shape], __: int) -> Sequence[Shape]:
    return [_memory_shape(params)]


# fmt: off
_SHAPE_KEPT = (
    "AbsVal", "BNLL", "CELU", "Clip", "Dropout", "ELU", "Erf", "Exp", "GELU", "HardSigmoid",
    "HardSwish", "Log", "Mish", "Power", "ReLU", "SELU", "Shrink", "Sigmoid", "Softmax",
    "Softplus", "Swish", "TanH", "Threshold", "UnaryOp",
)
_SHAPE_UNKNOWN = (  # to us; the runtime knows
    "Cast", "CumulativeSum", "ExpandDims", "Flip", "GLU", "Packing", "Reduction", "Reorg",
    "Squeeze",
)
# fmt: on

# A type that is not here is refused: without its row nobody knows where its weights end.
LAYER_TYPES: Mapping[str, LayerType] = MappingProxyType(
    {
        "Input": LayerType(inputs=(0, 0)),
        "MemoryData": LayerType((0, 0), blocks=_memory_data, shapes=_memory_data_shape),
        "Split": LayerType(outputs=(1, _MANY), shapes=_same_shape),
        "Convolution": LayerType(blocks=_convolution, shapes=_convolution_shape),
        "ConvolutionDepthWise": LayerType(blocks=_depthwise, shapes=_depthwise_shape),
        "Deconvolution": LayerType(blocks=_deconvolution, shapes=_deconvolution_shape),
        "DeconvolutionDepthWise": LayerType(
            blocks=_deconvolution, shapes=_deconvolution_depthwise_shape
        ),
        "InnerProduct": LayerType(blocks=_inner_product, shapes=_inner_product_shape),
        "BatchNorm": LayerType(blocks=_batch_norm, shapes=_batch_norm_shape),
        "Bias": LayerType(blocks=_channels, shapes=_per_channel_shape),
        "Scale": LayerType(blocks=_scale, shapes=_per_channel_shape),
        "PReLU": LayerType(blocks=_channels, shapes=_per_channel_shape),
        "Quantize": LayerType(blocks=_optional((0, 1)), shapes=_same_shape),
        "Dequantize": LayerType(blocks=_optional((0, 1), (1, 0)), shapes=_same_shape),
        "Requantize": LayerType(blocks=_optional((0, 1), (1, 1), (2, 0)), shapes=_same_shape),
        "Pooling": LayerType(shapes=_pooling_shape),
        "BinaryOp": LayerType(_binary_inputs, shapes=_binary_shape),
        "Concat": LayerType((1, _MANY), shapes=_concat_shape),
        "Slice": LayerType(outputs=(1, _MANY), shapes=_slice_shape),
        "ShuffleChannel": LayerType(shapes=_shuffle_shape),
        "PixelShuffle": LayerType(shapes=_pixel_shuffle_shape),
        "Interp": LayerType((1, 2), shapes=_interp_shape),
        "Reshape": LayerType((1, _MANY), shapes=_reshape_shape),
        "Permute": LayerType(shapes=_permute_shape),
        "Flatten": LayerType(shapes=_flatten_shape),
        **dict.fromkeys(_SHAPE_KEPT, LayerType(shapes=_same_shape)),
        **dict.fromkeys(_SHAPE_UNKNOWN, LayerType()),
        **dict.fromkeys(("Crop", "Padding", "Tile"), LayerType((1, 2))),
        **dict.fromkeys(("GridSample", "MatMul"), LayerType((2, 2))),
        "Einsum": LayerType((1, _MANY)),
        "Eltwise": LayerType((2, _MANY)),
    }
)
