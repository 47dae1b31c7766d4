"""Emitted files, run in their runtimes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime

from calibration.frontends.onnx import read
from calibration.frontends.simplify import simplify
from calibration.graph import Graph
from calibration.runtimes import runtime
from edge.backends import open_backend
from edge.backends.base import BackendOptions, TensorSpec


def canonical(content: bytes) -> Graph:
    return simplify(read(content).graph)


def reference(content: bytes, x: np.ndarray) -> list[np.ndarray]:
    """What ONNX Runtime, its own optimizer off, makes of a file."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def run(backend: str, files: Mapping[str, bytes], graph: Graph, x: np.ndarray) -> list[np.ndarray]:
    """The outputs of an artifact, in the shapes of the graph."""
    layout = runtime(backend).layout
    x = x.transpose(0, 2, 3, 1) if layout == "NHWC" else x
    tensor = TensorSpec(graph.inputs[0], x.shape, layout=layout)
    opened = open_backend(backend, files, tensor, graph.outputs, BackendOptions(1, "fp32"))
    try:
        opened.input_view()[...] = x.reshape(opened.input_view().shape)
        results = [np.array(output.values) for output in opened.run()]
    finally:
        opened.close()
    shapes = [graph.shapes[name] for name in graph.outputs]
    for values, shape in zip(results, shapes, strict=True):
        kept = [size for size in values.shape if size > 1]
        assert values.ndim == 1 or kept == [size for size in shape if size > 1]
    return [values.reshape(shape) for values, shape in zip(results, shapes, strict=True)]


def distance(result: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a part of the largest value."""
    return float(np.abs(result - expected).max() / np.abs(expected).max())
