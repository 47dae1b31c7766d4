"""Slow twins of what the calibrator computes, and how a graph is run."""

from __future__ import annotations

import numpy as np
import onnxruntime

from calibration.graph import Graph, to_model
from calibration.quant.spec.spec import LayerSpec, QuantSpec, Scheme


def run(graph: Graph, *images: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs by name; ONNX Runtime without optimizations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        to_model(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = dict(zip(graph.inputs, images, strict=True))
    return dict(zip(graph.outputs, session.run(list(graph.outputs), feeds), strict=True))


def tensors(graph: Graph, image: np.ndarray) -> dict[str, np.ndarray]:
    """Every float tensor."""
    every = [name for node in graph.nodes for name in node.outputs]
    names = [name for name in every if graph.dtypes.get(name) == "float32"]
    return {graph.inputs[0]: image, **run(graph.rebuilt(outputs=names), image)}


def min_max_spec(
    graph: Graph, image: np.ndarray, *, float_layers: tuple[str, ...] = ()
) -> QuantSpec:
    """Everything in INT8, ranges as seen on one image."""
    ranges = {
        name: (min(0.0, float(v.min())), max(0.0, float(v.max())))
        for name, v in tensors(graph, image).items()
    }
    layers = {}
    for node in graph.nodes:
        if node.op == "Conv":
            weight = graph.constants[node.inputs[1]]
            limit = np.abs(weight).reshape(len(weight), -1).max(1)
            layers[node.name] = LayerSpec(
                (np.where(limit > 0, limit, 127) / 127).astype(np.float32)
            )
    scheme = Scheme(ranges, layers, dict.fromkeys(float_layers, "asked for"))
    return QuantSpec({"asymmetric": scheme})


def codes(values: np.ndarray, grid) -> np.ndarray:
    """int64 codes of real values."""
    rounded = np.rint(np.asarray(values, np.float32) / np.float32(grid.scale)) + grid.zero_point
    return np.clip(rounded, grid.low, grid.high).astype(np.int64)


def integer_convolution(node, layer, grid, source: np.ndarray) -> np.ndarray:
    """A layer in whole numbers: (1, I, H, W) codes to (1, O, H', W') reals, float64."""
    stride = node.ints("strides", (1, 1))
    top, left, bottom, right = node.ints("pads", (0, 0, 0, 0))
    group = node.get("group", 1)
    x = np.pad(source - grid.zero_point, ((0, 0), (0, 0), (top, bottom), (left, right)))
    outputs, per_group, kh, kw = layer.weight.shape
    rows = (x.shape[2] - kh) // stride[0] + 1
    columns = (x.shape[3] - kw) // stride[1] + 1
    total = np.zeros((1, outputs, rows, columns), np.int64)
    for o in range(outputs):
        first = o // (outputs // group) * per_group
        for y in range(kh):
            for k in range(kw):
                part = x[
                    0,
                    first : first + per_group,
                    y : y + rows * stride[0] : stride[0],
                    k : k + columns * stride[1] : stride[1],
                ]
                weight = layer.weight[o, :, y, k].astype(np.int64)[:, None, None]
                total[0, o] += (part * weight).sum(0)
    scale = layer.weight_scales.astype(np.float64) * grid.scale
    return total * scale[:, None, None] + layer.bias.astype(np.float64)[:, None, None]
