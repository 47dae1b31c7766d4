"""Random ncnn networks that are well formed and mean anything: sizes, axes and counts at will.

Run as a program it gives each network that the reader accepts to the runtime, and says what came.
It is a process of its own, since a network that should have been refused may end it.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, replace

import numpy as np

from edge.backends.base import BackendOptions, TensorSpec
from edge.errors import BackendError, ModelError
from edge.formats.ncnn import Layer, Network, Weight, blob_shapes, read_network, write_network
from edge.formats.ncnn_layers import LAYER_TYPES
from edge.formats.ncnn_resize import resized
from edge.formats.ncnn_shapes import SHAPE_KEPT, SHAPES

_SIZES = (0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 9, 12, 16, 64, -1, -2, -233)
_CONVOLUTION = {0: 1, 1: 1, 2: 0.3, 3: 0.4, 4: 0.4, 5: 0.4, 6: 1, 7: 0.3, 8: 0.4, 9: 0.2, 11: 0.3,
                13: 0.2, 14: 0.2, 15: 0.2, 16: 0.2, 18: 0.1, 19: 0.1}  # fmt: skip
_ANY = dict.fromkeys(range(8), 0.3)
# Parameters that matter, and how often they are there.
_KEYS = {
    **dict.fromkeys(("Convolution", "ConvolutionDepthWise"), _CONVOLUTION),
    **dict.fromkeys(("Deconvolution", "DeconvolutionDepthWise"), _CONVOLUTION),
    "InnerProduct": {0: 1, 1: 0.3, 2: 1, 8: 0.3, 9: 0.2},
    "Pooling": {0: 0.7, 1: 0.9, 2: 0.5, 3: 0.4, 4: 0.2, 5: 0.5, 6: 0.3, 7: 0.2, 8: 0.3, 11: 0.3},
    "BinaryOp": {0: 0.7, 1: 0.3, 2: 0.3},
    "UnaryOp": {0: 0.9},
    "Reshape": {0: 0.9, 1: 0.7, 2: 0.5, 11: 0.2, 3: 0.05, 12: 0.05},
    "Interp": {0: 0.9, 1: 0.3, 2: 0.3, 3: 0.7, 4: 0.7, 5: 0.1, 6: 0.3},
    "MemoryData": {0: 1, 1: 0.5, 2: 0.5, 11: 0.2, 21: 0.2},
    "Reduction": {0: 0.8, 1: 0.9, 4: 0.5, 5: 0.9},
    "Crop": {0: 0.05, 3: 0.05},
    "Padding": {0: 0.7, 1: 0.7, 2: 0.7, 3: 0.7, 4: 0.6, 5: 0.3, 7: 0.1},
}
_MADE_OFTEN = (
    "Convolution", "ConvolutionDepthWise", "InnerProduct", "Quantize", "Split", "Reshape",
    "Pooling", "Deconvolution", "BinaryOp", "Crop", "Slice", "Reduction",
)  # fmt: skip
_ARRAYS = {"Slice": (0,), "Reduction": (3,), "Crop": (9, 10, 11), "Eltwise": (1,)}


@dataclass
class Maker:
    """Makes networks from one seed."""

    random: random.Random
    int8: bool = False  # whether the last layer writes it

    def network(self) -> Network:
        shape = self.shape()
        layers = [Layer("Input", "in", (), ("in",), {})]
        blobs, index = ["in"], 0
        for _ in range(self.random.randint(1, 4)):
            for _ in range(40):  # until one fits
                index += 1
                layer = self.layer(f"l{index}", blobs)
                try:
                    network = Network((*layers, layer))
                    blob_shapes(network, {"in": shape})
                except (ModelError, KeyError):
                    if self.random.random() < 0.97:
                        continue
                layers.append(layer)
                self.int8 = layer.type == "Quantize" or layer.params.get(8, 0) > 100
                for blob in layer.inputs:
                    blobs.remove(blob)
                blobs += layer.outputs
                break
        return Network(tuple(layers))

    def shape(self):
        return tuple(self.random.choice((1, 2, 3, 4, 5, 8, 9, 16)) for _ in range(3))

    def layer(self, name, blobs):
        kinds = sorted(set(LAYER_TYPES) - {"Input"} - set(SHAPE_KEPT if self.common() else ()))
        kind = self.random.choice(_MADE_OFTEN if self.common() else kinds)
        if self.int8 and self.common():
            kind = self.random.choice(("Split", "Convolution", "ConvolutionDepthWise"))
        known = LAYER_TYPES[kind]
        params = {
            key: self.number()
            for key, chance in _KEYS.get(kind, _ANY).items()
            if self.random.random() < chance
        }
        for key in _ARRAYS.get(kind, ()):
            params[key] = tuple(self.number() for _ in range(self.random.randint(0, 3)))
        self.please(kind, params)
        fewest, limit = known.inputs(params) if callable(known.inputs) else known.inputs
        inputs = self.random.sample(
            blobs, min(self.random.randint(fewest, min(limit, 3)), len(blobs))
        )
        count = self.random.randint(known.outputs[0], min(known.outputs[1], 3))
        layer = Layer(kind, name, tuple(inputs), tuple(f"{name}_{i}" for i in range(count)), params)
        return self.weighted(layer)

    def common(self):
        return self.random.random() < 0.5

    def number(self):
        return self.random.choice(_SIZES)

    def please(self, kind, params):
        """Mostly, let the parameters fit each other: else hardly a network is accepted."""
        if "onvolution" in kind:
            outputs = abs(params[0]) or 1
            kernel = params[1] = self.random.choice((1, 1, 2, 3))
            params.pop(11, None)
            channels = self.random.choice((1, 2, 3, 4, 8, 16))
            params[0], params[6] = outputs, outputs * kernel * kernel * channels
            if "DepthWise" in kind:
                params[7] = self.random.choice((1, 2, channels, outputs))
            params[8] = self.random.choice((0, 0, 1, 2, 101, 102))
        if kind == "InnerProduct":
            outputs = abs(params[0]) or 1
            params[0], params[2] = (
                outputs,
                outputs * self.random.choice((1, 2, 3, 4, 8, 12, 16, 27)),
            )
        if kind == "Reduction":
            params[1], params[5] = self.random.choice((0, 1)), 1

    def weighted(self, layer):
        try:
            blocks = LAYER_TYPES[layer.type].blocks(layer.params)
        except ValueError:
            return layer
        if sum(block.count for block in blocks) > 20_000:
            return layer
        integer = any(block.tagged for block in blocks) and layer.params.get(8, 0) != 0
        integer = integer and layer.type in ("Convolution", "ConvolutionDepthWise", "InnerProduct")
        weights = []
        for block in blocks:
            values = np.linspace(0.5, 1.5, block.count, dtype=np.float32)
            if not block.tagged:
                weights.append(Weight(values))
            else:
                weights.append(Weight.tagged((values * 10).astype(np.int8) if integer else values))
        return replace(layer, weights=tuple(weights))


def run(network: Network, shape: tuple[int, ...]) -> str:
    """What came of a network: why it was refused, or "ran"."""
    from edge.backends.ncnn import load

    try:
        param, weights = write_network(network)
        network = read_network(param, weights)
        outputs = tuple(name for name in network.outputs if name != "in") or ("in",)
        files = {"param": param, "bin": weights}
        backend = load(files, TensorSpec("in", (1, *shape)), outputs, BackendOptions(1, "fp32"))
    except (ModelError, BackendError) as error:
        return f"refused: {error}"
    try:
        backend.input_view()[:] = np.linspace(-1, 1, int(np.prod(shape))).reshape(1, *shape)
        suited = resized(network, {"in": shape})  # as it is loaded
        shapes = blob_shapes(suited, {"in": shape})
        for name, tensor in zip(outputs, backend.run(), strict=True):
            assert tensor.values.dtype == np.float32, (name, tensor.values.dtype)
            assert tensor.values.shape == shapes[name], (name, tensor.values.shape, shapes[name])
            tensor.values.sum()
    except BackendError as error:
        return f"failed: {error}"
    finally:
        backend.close()
    return "ran"


def main() -> None:
    first, last = map(int, sys.argv[1:3])
    kinds: dict[str, int] = {}
    for seed in range(first, last):
        producer = Maker(random.Random(seed))
        state = producer.random.getstate()
        shape = producer.shape()
        producer.random.setstate(state)
        network = producer.network()
        lines = [
            f"{layer.type} {layer.inputs} -> {layer.outputs} {dict(layer.params)}"
            for layer in network.layers
        ]
        print(seed, shape, *lines, sep="\n  ", flush=True)
        result = run(network, shape)
        print(" ", result, flush=True)
        if result == "ran":
            for layer in network.layers:
                kinds[layer.type] = kinds.get(layer.type, 0) + 1
    print("ran:", *(f"{kind}={count}" for kind, count in sorted(kinds.items())))
    print("never:", *sorted(set(SHAPES) - set(kinds)))


if __name__ == "__main__":
    main()
