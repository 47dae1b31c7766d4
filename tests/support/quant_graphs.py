"""Small networks with the shapes that matter to quantization."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.graph import Graph, Node, build
from calibration.quant.observe.inputs import Inputs
from edge.models.base import ModelSpec, Preprocessing
from edge.types import Size

# What `detector` is: two classes, boxes by four distances, one level.
MODEL = ModelSpec(
    "yolov6",
    "split",
    Size(16, 16),
    ("cat", "dog"),
    strides=(4,),
    input_name="image",
    output_names=("scores", "boxes"),
    preprocessing=Preprocessing(placement="top-left"),
)


class Builder:
    """Adds nodes one behind another; random weights from a seed."""

    def __init__(self, shape=(1, 3, 16, 16), seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.inputs = {"image": shape}
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}

    def add(self, op: str, name: str, *inputs: str, outputs=None, **attributes) -> str:
        self.nodes.append(Node(op, f"n_{name}", inputs, outputs or (name,), attributes))
        return name

    def constant(self, name: str, values, dtype=np.float32) -> str:
        self.constants[name] = np.asarray(values, dtype)
        return name

    def conv(
        self, name: str, source: str, shape, *, op: str = "Conv", bias: bool = True, **attributes
    ) -> str:
        fan = max(1, int(np.prod(shape[1:])))
        weight = self.random.normal(0, 1.5 / fan**0.5, shape)
        inputs = [source, self.constant(f"{name}/weight", weight)]
        outputs = shape[1] if op == "ConvTranspose" else shape[0]
        if bias:
            inputs.append(self.constant(f"{name}/bias", self.random.normal(0, 0.2, outputs)))
        size = shape[2]
        attributes = {"kernel_shape": tuple(shape[2:]), **attributes}
        if op == "Conv":
            attributes.setdefault("pads", (size // 2,) * 4)
        return self.add(op, name, *inputs, **attributes)

    def graph(self, *outputs: str) -> Graph:
        return build(self.nodes, inputs=self.inputs, outputs=outputs, constants=self.constants)


def detector(*, activation: str = "Relu", seed: int = 0) -> Graph:
    """A backbone with pooling, a neck with an upsampled branch, and a head of two convolutions."""
    net = Builder(seed=seed)

    def block(name: str, source: str, shape, **attributes) -> str:
        plain = net.conv(f"{name}_plain", source, shape, **attributes)
        extra = {"alpha": 0.1} if activation == "LeakyRelu" else {}
        return net.add(activation, name, plain, **extra)

    stem = block("stem", "image", (8, 3, 3, 3), strides=(2, 2))
    body = block("body", stem, (8, 8, 3, 3))
    deep = block("deep", body, (8, 8, 3, 3), strides=(2, 2))
    pooled = net.add(
        "MaxPool", "pooled", deep, kernel_shape=(3, 3), pads=(1, 1, 1, 1), strides=(1, 1)
    )
    wide = net.add("Concat", "wide", deep, pooled, axis=1)
    neck = block("neck", wide, (8, 16, 1, 1))
    up = net.conv("up", neck, (8, 8, 2, 2), op="ConvTranspose", strides=(2, 2))
    joined = net.add("Concat", "joined", up, body, axis=1)
    last = block("last", joined, (8, 16, 3, 3))
    net.conv("scores", last, (2, 8, 1, 1))
    net.conv("boxes", last, (4, 8, 1, 1))
    return net.graph("scores", "boxes")


def image(seed: int = 0, shape=(1, 3, 16, 16)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def images(count: int, size: int = 16, seed: int = 0) -> Inputs:
    """Random images that fill the upper three quarters of the input."""
    random = np.random.default_rng(seed)
    shape = (size * 3 // 4, size, 3)
    drawn = [random.integers(0, 256, shape).astype(np.uint8) for _ in range(count)]
    return Inputs.of(drawn, MODEL if size == 16 else replace(MODEL, input=Size(size, size)))
