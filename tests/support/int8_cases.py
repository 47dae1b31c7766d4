"""Small networks with every operator that codes pass through, and how a plan of one is run."""

from __future__ import annotations

import numpy as np
from emitted import canonical
from operator_cases import Builder

from calibration.check.float_file import decibels
from calibration.emit import emitter
from calibration.graph import Graph
from calibration.quant.plan.plan import Plan
from calibration.runtimes import runtime
from edge.backends import open_backend
from edge.backends.base import BackendOptions, TensorSpec

SHAPE = (1, 3, 48, 64)


def network(activation: str = "Relu", **attributes) -> Graph:
    """1x1, 3x3, stride 2, depthwise; odd channels, a dead one; all that moves codes."""
    b = Builder(seed=1)

    def conv(x, *sizes, name, **more):
        return b.op(activation, b.conv(x, *sizes, name=name, **more), **attributes)

    around = {"pads": (1, 1, 1, 1)}
    x = conv("images", 3, 16, 3, strides=(2, 2), name="stem", **around)
    x = conv(x, 16, 24, 3, name="square", **around)
    left, right = conv(x, 24, 13, name="left"), conv(x, 24, 19, name="right")
    kill_channel(b, "left", 4)
    pooled = b.op(
        "MaxPool", left, kernel_shape=(5, 5), strides=(1, 1), pads=(2, 2, 2, 2), name="pooled"
    )
    x = b.op("Concat", left, pooled, right, axis=1, name="joined")
    x = conv(x, 45, 24, 3, strides=(2, 2), name="down", **around)
    x = conv(x, 24, 24, 3, group=24, name="depthwise", **around)
    up = b.op("DepthToSpace", b.conv(x, 24, 28, name="up"), blocksize=2, mode="CRD", name="deep")
    near = b.op(
        "Resize", x, "", np.array([1, 1, 2, 2], np.float32), name="near", mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    x = conv(b.op("Concat", up, near, axis=1, name="both"), 31, 16, name="last")
    heads = [b.conv(x, 16, 5, name="scores"), b.conv(x, 16, 4, 3, name="boxes", **around)]
    return canonical(b.model(heads, SHAPE))


def kill_channel(b: Builder, name: str, channel: int) -> None:
    """Give a convolution an output channel without weights, as training leaves some."""
    node = next(node for node in b.nodes if node.output[0] == name)
    b.constants[node.input[1]][channel] = 0


def images(count: int, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> list[np.ndarray]:
    """Images in which neighboring pixels are alike."""
    random = np.random.default_rng(seed)
    batch, channels, height, width = shape
    rough = random.random((count, batch, channels, height // 4, width // 4), np.float32)
    return list(rough.repeat(4, -1).repeat(4, -2))


def run(graph: Graph, plan: Plan, image: np.ndarray, files=None) -> list[np.ndarray]:
    """The outputs of a plan in its runtime, as real values in the shapes of the graph."""
    nhwc = runtime(plan.target).layout == "NHWC"
    image = image.transpose(0, 2, 3, 1) if nhwc else image
    opened = open_backend(
        plan.target,
        emitter(plan.target)(graph, plan=plan) if files is None else files,
        TensorSpec(graph.inputs[0], image.shape, layout="NHWC" if nhwc else "NCHW"),
        graph.outputs,
        BackendOptions(threads=1),
    )
    assert opened.precision == "int8"
    spec, view = opened.input, opened.input_view()
    if spec.dtype != "float32":
        limits = np.iinfo(spec.dtype)
        steps = np.rint(image / np.float32(spec.scale)) + spec.zero_point
        image = steps.clip(limits.min, limits.max)
    view[...] = image.reshape(view.shape)
    results = [(o.values.astype(np.float32) - o.zero_point) * o.scale for o in opened.run()]
    opened.close()
    shapes = [graph.shapes[name] for name in graph.outputs]
    return [values.reshape(shape) for values, shape in zip(results, shapes, strict=True)]


def ratios(results: list[np.ndarray], expected: list[np.ndarray]) -> list[float]:
    """The SQNR of each output, in decibels."""
    return [decibels(f, w) for f, w in zip(results, expected, strict=True)]


# What lies between convolutions and hands on codes, in some runtime.
MOVES = {
    "slice": lambda b, x: b.op("Slice", x, *(np.array([v]) for v in (2, 9, 2, 1))),
    "split": lambda b, x: b.op("Split", x, np.array([3, 5]), axis=1, outputs=2)[1],
    "pad": lambda b, x: b.op("Pad", x, np.array([0, 0, 1, 0, 0, 0, 2, 3])),
    "transpose": lambda b, x: b.op("Transpose", x, perm=(0, 2, 3, 1)),
    "reshape": lambda b, x: b.op("Reshape", x, np.array([1, 4, 24, 16])),
    "shuffle in columns": lambda b, x: b.op("DepthToSpace", x, blocksize=2, mode="CRD"),
    "shuffle in blocks": lambda b, x: b.op("DepthToSpace", x, blocksize=2, mode="DCR"),
    "pool": lambda b, x: b.op("MaxPool", x, kernel_shape=(2, 2), strides=(2, 2)),
    "pool with padding": lambda b, x: b.op(
        "MaxPool", x, kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1)
    ),
    "leaky": lambda b, x: b.op("LeakyRelu", x, alpha=0.2),
    "hard swish": lambda b, x: b.op("HardSwish", x),
}
