"""What ncnn's layer types are: the blobs that they read and write, the weights that they own.

Source: ncnn's operator and weight tables, pinned against the runtime by the tests. Rules raise
ValueError with the bare reason; the reader adds file and layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

from edge.formats.ncnn_params import Params, array, groups, inputs_per_output, memory_shape, whole

_INT8_FORMS = (0, 1, 2, 101, 102)
# none, ReLU, leaky ReLU (slope), clip (low, high), sigmoid, mish, hard swish (alpha, beta)
_ACTIVATION_NUMBERS = (0, 0, 1, 2, 0, 0, 2)
_MANY = 4096


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
    """

    inputs: tuple[int, int] | Callable[[Params], tuple[int, int]] = (1, 1)
    outputs: tuple[int, int] = (1, 1)
    blocks: Callable[[Params], tuple[Block, ...]] = lambda _: ()


def _convolution(params: Params, *, dynamic_key: int = 19) -> tuple[Block, ...]:
    if whole(params, dynamic_key):
        raise ValueError("weights that are computed by the network are not supported")
    _check_activation(params)
    outputs = whole(params, 0, low=1)
    inputs_per_output(params)
    blocks = [Block(whole(params, 6), tagged=True)]
    if whole(params, 5):
        blocks.append(Block(outputs))
    scales = _int8_form(params)
    if scales:
        blocks += [Block(outputs), Block(1)]
        blocks += [Block(1)] if scales > 100 else []
    return tuple(blocks)


def _depthwise(params: Params) -> tuple[Block, ...]:
    blocks = list(_convolution(params))
    scales = _int8_form(params)
    if scales:
        per_group = scales in (1, 101)
        blocks[2 if whole(params, 5) else 1] = Block(groups(params) if per_group else 1)
    return tuple(blocks)


def _deconvolution(params: Params) -> tuple[Block, ...]:
    # It has no INT8 form, so the runtime does not look at parameter 8.
    return _convolution({k: v for k, v in params.items() if k != 8}, dynamic_key=28)


def _inner_product(params: Params) -> tuple[Block, ...]:
    _check_activation(params)
    outputs, size = whole(params, 0, low=1), whole(params, 2, low=1)
    if size % outputs:
        raise ValueError(f"{size} weights do not divide into {outputs} outputs")
    blocks = [Block(size, tagged=True)]
    if whole(params, 1):
        blocks.append(Block(outputs))
    scales = _int8_form(params)
    if scales > 100:
        raise ValueError(f"parameter 8 (INT8 form) is {scales}, but its output is always float")
    if scales:
        blocks += [Block(outputs), Block(1)]
    return tuple(blocks)


def _memory_data(params: Params) -> tuple[Block, ...]:
    if whole(params, 21, 1) not in (0, 1):
        raise ValueError(f"parameter 21 (tagged or not) is 0 or 1, got {whole(params, 21)}")
    return (Block(prod(memory_shape(params)), tagged=whole(params, 21, 1) == 0),)


def _batch_norm(params: Params) -> tuple[Block, ...]:
    return (Block(whole(params, 0, low=1)),) * 4


def _channels(params: Params) -> tuple[Block, ...]:
    return (Block(whole(params, 0, low=1)),)


def _scale(params: Params) -> tuple[Block, ...]:
    return _channels(params) * (2 if whole(params, 1) else 1)


def _layer_norm(params: Params) -> tuple[Block, ...]:
    return _channels(params) * (2 if whole(params, 2, 1) else 0)


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


def _int8_form(params: Params) -> int:
    """0 for float weights, above 100 where the output is int8 as well."""
    form = whole(params, 8)
    if form not in _INT8_FORMS:
        raise ValueError(f"parameter 8 (INT8 form) is one of {_INT8_FORMS}, got {form}")
    return form


def _binary_inputs(params: Params) -> tuple[int, int]:
    return (1, 1) if whole(params, 1) else (2, 2)  # the second operand may be a number


# fmt: off
_PLAIN = (  # one blob in, one out, no weights
    "AbsVal", "BNLL", "CELU", "Cast", "Clip", "CumulativeSum", "Dropout", "ELU", "Erf", "Exp",
    "ExpandDims", "Flatten", "Flip", "GELU", "GLU", "HardSigmoid", "HardSwish", "Log", "Mish",
    "Packing", "Permute", "PixelShuffle", "Pooling", "Power", "ReLU", "Reduction", "Reorg",
    "SELU", "Shrink", "ShuffleChannel", "Sigmoid", "Softmax", "Softplus", "Squeeze", "Swish",
    "TanH", "Threshold", "UnaryOp",
)
# fmt: on

# A type that is not here is refused: without its row nobody knows where its weights end.
LAYER_TYPES: Mapping[str, LayerType] = MappingProxyType(
    {
        "Input": LayerType(inputs=(0, 0)),
        "MemoryData": LayerType((0, 0), blocks=_memory_data),
        "Split": LayerType(outputs=(1, _MANY)),
        "Convolution": LayerType(blocks=_convolution),
        "ConvolutionDepthWise": LayerType(blocks=_depthwise),
        "Deconvolution": LayerType(blocks=_deconvolution),
        "DeconvolutionDepthWise": LayerType(blocks=_deconvolution),
        "InnerProduct": LayerType(blocks=_inner_product),
        "BatchNorm": LayerType(blocks=_batch_norm),
        "LayerNorm": LayerType(blocks=_layer_norm),
        "Bias": LayerType(blocks=_channels),
        "Scale": LayerType(blocks=_scale),
        "PReLU": LayerType(blocks=_channels),
        "Quantize": LayerType(blocks=_optional((0, 1))),
        "Dequantize": LayerType(blocks=_optional((0, 1), (1, 0))),
        "Requantize": LayerType(blocks=_optional((0, 1), (1, 1), (2, 0))),
        "BinaryOp": LayerType(_binary_inputs),
        "Concat": LayerType((1, _MANY)),
        "Slice": LayerType(outputs=(1, _MANY)),
        "Interp": LayerType((1, 2)),
        "Reshape": LayerType((1, _MANY)),
        **dict.fromkeys(_PLAIN, LayerType()),
        **dict.fromkeys(("Crop", "Padding", "Tile"), LayerType((1, 2))),
        **dict.fromkeys(("GridSample", "MatMul"), LayerType((2, 2))),
        "Einsum": LayerType((1, _MANY)),
        "Eltwise": LayerType((2, _MANY)),
        # Of ncnn's examples: these are read to be replaced, and are never run; see `ncnn_examples`.
        "YoloV5Focus": LayerType(),
        "Yolov3DetectionOutput": LayerType((1, _MANY)),
        "YoloDetectionOutput": LayerType((1, _MANY)),
        "DetectionOutput": LayerType((1, _MANY)),
        "PriorBox": LayerType((1, 2)),
    }
)
