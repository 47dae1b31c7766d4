"""Rewrites of an ncnn network that leave its outputs as they were: network in, network out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from edge.formats.ncnn import Layer, Network
from edge.formats.ncnn_params import FLOAT32_MAX, Value

_ACTIVATED = {  # layer types that take an activation along, under parameters 9 and 10
    "Convolution",
    "ConvolutionDepthWise",
    "Deconvolution",
    "DeconvolutionDepthWise",
    "InnerProduct",
}
_FLAT = {  # layer types whose output is one axis where their input is
    "Clip",
    "Dropout",
    "HardSigmoid",
    "HardSwish",
    "InnerProduct",
    "Mish",
    "ReLU",
    "Sigmoid",
    "Split",
    "Swish",
    "TanH",
}


def simplify(network: Network) -> Network:
    """All rewrites of this module: what importing a model should do."""
    return fuse_activations(convolutions_to_inner_products(network))


def convolutions_to_inner_products(network: Network) -> Network:
    """1x1 convolutions of a blob with one axis become InnerProduct, on the same weights.

    Squeeze-and-excitation has them, after global pooling. ncnn computes them this way as well,
    but prints that it is deprecated at every inference.
    """
    flat: set[str] = set()
    layers: list[Layer] = []
    for layer in network.layers:
        pooled = layer.type == "Pooling" and layer.whole(4) != 0
        reads_flat = bool(layer.inputs) and flat.issuperset(layer.inputs)
        if reads_flat and _is_pointwise(layer):
            layer = replace(layer, type="InnerProduct", params=_inner_product(layer))
        if pooled or (reads_flat and layer.type in _FLAT):
            flat.update(layer.outputs)
        layers.append(layer)
    return Network(tuple(layers))


def fuse_activations(network: Network) -> Network:
    """An activation that alone reads a convolution becomes a parameter of that convolution.

    It saves a pass over the blob, and in INT8 it is what may lie between two convolutions.
    """
    readers = network.consumers()
    fused: dict[str, Layer] = {}  # by the name of the blob that disappears
    for layer in network.layers:
        follower = _only_reader(layer, readers)
        if follower is not None and _takes_activation(layer) and _activation(follower):
            fused[layer.outputs[0]] = follower
    layers: list[Layer] = []
    for layer in network.layers:
        if layer.inputs and layer.inputs[0] in fused:
            continue
        follower = fused.get(layer.outputs[0])
        if follower is not None:
            params = {**layer.params, **_activation(follower)}
            layer = replace(layer, outputs=follower.outputs, params=MappingProxyType(params))
        layers.append(layer)
    return Network(tuple(layers))


def _is_pointwise(layer: Layer) -> bool:
    if layer.type != "Convolution" or not layer.weights or layer.whole(8) > 100:
        return False
    kernel = layer.whole(1)
    unpadded = all(layer.whole(key) == 0 for key in (4, 14, 15, 16))
    return kernel == 1 == layer.whole(11, kernel) and unpadded


def _inner_product(convolution: Layer) -> Mapping[int, Value]:
    params: dict[int, Value] = {
        0: convolution.whole(0),
        1: convolution.whole(5),
        2: convolution.whole(6),
    }
    if convolution.whole(8):
        params[8] = convolution.whole(8)
    return MappingProxyType(params | {k: v for k, v in convolution.params.items() if k in (9, 10)})


def _only_reader(layer: Layer, readers: dict[str, list[Layer]]) -> Layer | None:
    all_readers = [reader for blob in layer.outputs for reader in readers.get(blob, [])]
    return all_readers[0] if len(layer.outputs) == len(all_readers) == 1 else None


def _takes_activation(layer: Layer) -> bool:
    # With an int8 output (form above 100) the activation would come before the rounding, not after.
    return layer.type in _ACTIVATED and layer.whole(9) == 0 and layer.whole(8) <= 100


def _activation(layer: Layer) -> dict[int, Value]:
    """Parameters 9 and 10 of the fused activation; empty where there is none."""
    if layer.type == "ReLU":
        slope = layer.real(0, 0.0)
        return {9: 2, 10: (slope,)} if slope else {9: 1}
    if layer.type == "Clip":
        return {9: 3, 10: (layer.real(0, -FLOAT32_MAX), layer.real(1, FLOAT32_MAX))}
    if layer.type == "Sigmoid":
        return {9: 4}
    if layer.type == "Mish":
        return {9: 5}
    if layer.type == "HardSwish":
        return {9: 6, 10: (layer.real(0, 0.2), layer.real(1, 0.5))}
    return {}
