"""ncnn's .param and .bin to a `Graph`: layer types of the official YOLOv6Lite and of our packages.

A blob of one axis, (C,), becomes a tensor (1, C, 1, 1): behind a global pooling that is what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType

import numpy as np

from calibration.graph import Attribute, Graph, Node, build
from edge.errors import UnsupportedModelError
from edge.formats.ncnn import Layer, Network, blob_shapes
from edge.formats.ncnn_resize import resized
from edge.formats.ncnn_shapes import PERMUTATIONS
from edge.types import AnyArray, Size


def read(network: Network, input_size: Size) -> Graph:
    """The graph of an ncnn network; blobs and layers keep their names.

    Args:
        network: From `edge.formats.ncnn.read_network`; float.
        input_size: Of its one input, which has three channels.

    Raises:
        UnsupportedModelError: It has layers that are not known here; names all of them.
        ModelError: A layer does not fit its input.
    """
    if len(network.inputs) != 1:
        names = ", ".join(network.inputs) or "none"
        raise UnsupportedModelError(f"one input is wanted, this model has {names}")
    shape = (3, input_size.height, input_size.width)
    network = resized(network, {network.inputs[0]: shape})
    importer = _Importer(network, input_size)
    refused: dict[str, str] = {}
    for layer in network.layers:
        rule = LAYERS.get(layer.type)
        try:
            if rule is None:
                raise _RefusalError("this layer type is not known")
            rule(importer, layer)
        except _RefusalError as refusal:
            refused[str(layer)] = str(refusal)
    if refused:
        lines = "; ".join(f"{layer}: {reason}" for layer, reason in refused.items())
        raise UnsupportedModelError(f"{len(refused)} layers cannot be read: {lines}")
    return build(
        importer.nodes,
        inputs={network.inputs[0]: (1, 3, input_size.height, input_size.width)},
        outputs=network.outputs,
        constants=importer.constants,
    )


class _RefusalError(Exception):
    """Why a layer cannot be read; gathered into one error."""


class _Importer:
    """Gathers the nodes of a network, one layer after another."""

    def __init__(self, network: Network, input_size: Size) -> None:
        shape = (3, input_size.height, input_size.width)
        self.shapes = blob_shapes(network, {network.inputs[0]: shape})
        self.nodes: list[Node] = []
        self.constants: dict[str, AnyArray] = {}
        self._aliases: dict[str, str] = {}

    def add(
        self, op: str, layer: Layer, *constants: AnyArray | None, **attributes: Attribute
    ) -> None:
        """Add the node of a layer, with constants as its last inputs, and its activation."""
        names = [self._aliases.get(blob, blob) for blob in layer.inputs]
        for index, values in enumerate(constants):
            names.append("" if values is None else f"{layer.outputs[0]}/constant{index}")
            if values is not None:
                self.constants[names[-1]] = values
        outputs = layer.outputs
        activation = layer.whole(9) if layer.type in _FUSING else 0
        if activation:
            outputs = (f"{layer.outputs[0]}/plain",)
        self.nodes.append(Node(op, layer.name, tuple(names), outputs, MappingProxyType(attributes)))
        if activation:
            self.activate(activation, layer, outputs[0])

    def activate(self, kind: int, layer: Layer, source: str) -> None:
        result = layer.params.get(10, ())
        values = result if isinstance(result, tuple) else (result,)
        numbers = [float(value) for value in values if not isinstance(value, str)]
        if kind not in _ACTIVATIONS:
            raise _RefusalError(f"its activation {kind} is not known")
        op, rename = _ACTIVATIONS[kind]
        inputs = [source]
        for key, value in zip(("low", "high"), numbers if op == "Clip" else (), strict=False):
            inputs.append(f"{layer.outputs[0]}/{key}")
            self.constants[inputs[-1]] = np.array(value, np.float32)
        attributes: dict[str, Attribute] = dict(zip(rename, numbers, strict=False))
        name = f"{layer.name}/activation"
        self.nodes.append(Node(op, name, tuple(inputs), layer.outputs, attributes))

    def alias(self, layer: Layer) -> None:
        source = self._aliases.get(layer.inputs[0], layer.inputs[0])
        self._aliases |= dict.fromkeys(layer.outputs, source)


_FUSING = {
    "Convolution",
    "ConvolutionDepthWise",
    "Deconvolution",
    "DeconvolutionDepthWise",
    "InnerProduct",
}
_ACTIVATIONS: Mapping[int, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        1: ("Relu", ()),
        2: ("LeakyRelu", ("alpha",)),
        3: ("Clip", ()),
        4: ("Sigmoid", ()),
        5: ("Mish", ()),
        6: ("HardSwish", ()),
    }
)


def _window(layer: Layer) -> dict[str, Attribute]:
    """Kernel, stride, dilation and padding of a convolution."""
    width, left = layer.whole(1), layer.whole(4)
    top = layer.whole(14, left)
    pads = (top, left, layer.whole(16, top), layer.whole(15, left))
    if min(pads) < 0:
        raise _RefusalError("padding that follows from the size")
    stride, dilation = layer.whole(3, 1), layer.whole(2, 1)
    return {
        "kernel_shape": (layer.whole(11, width), width),
        "strides": (layer.whole(13, stride), stride),
        "dilations": (layer.whole(12, dilation), dilation),
        "pads": pads,
        "group": layer.whole(7, 1),
    }


def _arrays(layer: Layer) -> tuple[AnyArray, AnyArray | None]:
    if layer.is_int8:
        raise _RefusalError("it is quantized; start from the float model")
    if not layer.weights:
        raise _RefusalError("its weights are not constant")
    numbers = [weight.numbers for weight in layer.weights]
    return numbers[0], numbers[1] if len(numbers) > 1 else None


def _convolution(importer: _Importer, layer: Layer) -> None:
    attributes = _window(layer)
    weight, bias = _arrays(layer)
    _check_hard_swish(layer)
    kernel = (layer.whole(11, layer.whole(1)), layer.whole(1))
    weight = weight.reshape(layer.whole(0), -1, *kernel)
    importer.add("Conv", layer, weight, bias, **attributes)


def _deconvolution(importer: _Importer, layer: Layer) -> None:
    attributes = _window(layer)
    weight, bias = _arrays(layer)
    if layer.whole(20) or layer.whole(21):
        raise _RefusalError("an output size of its own")
    kernel, groups = (layer.whole(11, layer.whole(1)), layer.whole(1)), layer.whole(7, 1)
    apart = weight.reshape(groups, layer.whole(0) // groups, -1, *kernel).swapaxes(1, 2)
    weight = apart.reshape(-1, layer.whole(0) // groups, *kernel)
    attributes["output_padding"] = (layer.whole(19), layer.whole(18))
    importer.add("ConvTranspose", layer, weight, bias, **attributes)


def _inner_product(importer: _Importer, layer: Layer) -> None:
    weight, bias = _arrays(layer)
    _check_hard_swish(layer)
    shape = importer.shapes.get(layer.inputs[0], ())
    if prod(shape) != shape[0]:
        raise _RefusalError(f"its input is one row, got {shape}")
    weight = weight.reshape(layer.whole(0), -1, 1, 1)
    importer.add("Conv", layer, weight, bias, kernel_shape=(1, 1))


def _check_hard_swish(layer: Layer) -> None:
    values = layer.params.get(10, ())
    if layer.whole(9) == 6 and values and not _is_hard_swish(values):
        raise _RefusalError(f"a HardSwish of its own slope {values}")


def _is_hard_swish(values: object) -> bool:
    return isinstance(values, tuple) and np.allclose(values, (1 / 6, 0.5), rtol=1e-5)


def _hard_swish(importer: _Importer, layer: Layer) -> None:
    if not _is_hard_swish((layer.real(0, 0.2), layer.real(1, 0.5))):
        raise _RefusalError("a HardSwish of its own slope")
    importer.add("HardSwish", layer)


def _hard_sigmoid(importer: _Importer, layer: Layer) -> None:
    importer.add("HardSigmoid", layer, alpha=layer.real(0, 0.2), beta=layer.real(1, 0.5))


def _relu(importer: _Importer, layer: Layer) -> None:
    slope = layer.real(0, 0.0)
    if slope:
        importer.add("LeakyRelu", layer, alpha=slope)
    else:
        importer.add("Relu", layer)


def _clip(importer: _Importer, layer: Layer) -> None:
    limit = float(np.finfo(np.float32).max)
    bounds = (layer.real(0, -limit), layer.real(1, limit))
    importer.add("Clip", layer, *(np.array(bound, np.float32) for bound in bounds))


def _plain(op: str) -> Callable[[_Importer, Layer], None]:
    return lambda importer, layer: importer.add(op, layer)


def _pooling(importer: _Importer, layer: Layer) -> None:
    average = layer.whole(0) == 1
    if layer.whole(4):
        importer.add("GlobalAveragePool" if average else "GlobalMaxPool", layer)
        return
    if layer.whole(7) or layer.whole(5) not in (0, 1):
        raise _RefusalError("pooling to a size, or with padding that follows from it")
    width, stride, left = layer.whole(1), layer.whole(2, 1), layer.whole(3)
    top = layer.whole(13, left)
    attributes: dict[str, Attribute] = {
        "kernel_shape": (layer.whole(11, width), width),
        "strides": (layer.whole(12, stride), stride),
        "pads": (top, left, layer.whole(15, top), layer.whole(14, left)),
        "ceil_mode": int(layer.whole(5) == 0),
    }
    if average:
        attributes["count_include_pad"] = layer.whole(6)
    importer.add("AveragePool" if average else "MaxPool", layer, **attributes)


_BINARY = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")


def _binary(importer: _Importer, layer: Layer) -> None:
    kind = layer.whole(0)
    if not 0 <= kind < len(_BINARY):
        raise _RefusalError(f"its operation {kind} is not known")
    value = (np.array(layer.real(2, 0.0), np.float32),) if layer.whole(1) else ()
    importer.add(_BINARY[kind], layer, *value)


def _axis(importer: _Importer, layer: Layer, key: int) -> int:
    """An axis of a blob as one of the tensor (1, C, H, W)."""
    rank = len(importer.shapes.get(layer.inputs[0], ()))
    if rank not in (1, 3):
        raise _RefusalError(f"its input has {rank or 'an unknown number of'} axes")
    return layer.whole(key) % rank + 1


def _concat(importer: _Importer, layer: Layer) -> None:
    importer.add("Concat", layer, axis=_axis(importer, layer, 0))


def _slice(importer: _Importer, layer: Layer) -> None:
    axis = _axis(importer, layer, 1)
    sizes = [importer.shapes[blob][axis - 1] for blob in layer.outputs]
    importer.add("Split", layer, np.array(sizes, np.int64), axis=axis)


def _shuffle(importer: _Importer, layer: Layer) -> None:
    groups = layer.whole(0, 1)
    if layer.whole(1):  # the way back
        groups = importer.shapes[layer.inputs[0]][0] // groups
    importer.add("ChannelShuffle", layer, groups=groups)


def _pixel_shuffle(importer: _Importer, layer: Layer) -> None:
    mode = "DCR" if layer.whole(1) else "CRD"
    importer.add("DepthToSpace", layer, blocksize=layer.whole(0, 1), mode=mode)


def _interp(importer: _Importer, layer: Layer) -> None:
    source, out = (importer.shapes.get(name) for name in (layer.inputs[0], layer.outputs[0]))
    mode = layer.whole(0)
    if source is None or out is None or len(source) != 3 or mode not in (1, 2):
        raise _RefusalError("resizing that is neither nearest nor linear, of an image")
    scales = np.array([1, 1, out[1] / source[1], out[2] / source[2]], np.float32)
    if mode == 1:
        attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        importer.add("Resize", layer, None, scales, mode="nearest", **attributes)
    else:
        where = "align_corners" if layer.whole(6) else "half_pixel"
        importer.add(
            "Resize", layer, None, scales, mode="linear", coordinate_transformation_mode=where
        )


def _reshape(importer: _Importer, layer: Layer) -> None:
    shape = importer.shapes[layer.outputs[0]]
    if len(layer.inputs) != 1 or len(shape) < 2:
        raise _RefusalError("reshaping to one axis, or by what the network computes")
    importer.add("Reshape", layer, np.array((1, *shape), np.int64))


def _permute(importer: _Importer, layer: Layer) -> None:
    rank = len(importer.shapes[layer.inputs[0]])
    if rank < 2:
        raise _RefusalError("turning one axis")
    order = PERMUTATIONS[rank][layer.whole(0)]
    importer.add("Transpose", layer, perm=(0, *(axis + 1 for axis in order)))


LAYERS: Mapping[str, Callable[[_Importer, Layer], None]] = MappingProxyType(
    {
        "BinaryOp": _binary,
        "Clip": _clip,
        "Concat": _concat,
        "Convolution": _convolution,
        "ConvolutionDepthWise": _convolution,
        "Deconvolution": _deconvolution,
        "DeconvolutionDepthWise": _deconvolution,
        "Dropout": _Importer.alias,
        "HardSigmoid": _hard_sigmoid,
        "HardSwish": _hard_swish,
        "InnerProduct": _inner_product,
        "Input": lambda _, __: None,
        "Interp": _interp,
        "Mish": _plain("Mish"),
        "Permute": _permute,
        "PixelShuffle": _pixel_shuffle,
        "Pooling": _pooling,
        "ReLU": _relu,
        "Reshape": _reshape,
        "ShuffleChannel": _shuffle,
        "Sigmoid": _plain("Sigmoid"),
        "Slice": _slice,
        "Split": _Importer.alias,
        "Swish": _plain("Silu"),
        "TanH": _plain("Tanh"),
    }
)
