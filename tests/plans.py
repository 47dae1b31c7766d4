"""Plans made by hand: every convolution in INT8, ranges from the least and greatest value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime

from calibration.emit.onnxruntime_int8 import with_codes
from calibration.graph import Graph, Node, to_model
from calibration.quant.plan import Grid, Int8Layer, Plan

MOVES = {"Concat", "MaxPool", "Resize", "DepthToSpace"}
ACTIVATIONS = {"LeakyRelu", "Relu"}
FUSED = {"ncnn": {"Relu", "LeakyRelu", "HardSwish"}}
SMALLEST = 1e-6


def observed(graph: Graph, images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The values of every tensor, images joined along the batch axis."""
    model = to_model(graph)
    have = {output.name for output in model.graph.output}
    names = [name for node in graph.nodes for name in node.outputs]
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in have)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rows = [session.run(names, {graph.inputs[0]: image}) for image in images]
    found = {
        name: np.concatenate(column)
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    return {**found, graph.inputs[0]: np.concatenate(images)}


def plan_of(graph: Graph, images: Sequence[np.ndarray], target: str, skip=()) -> Plan:
    """A plan by minimum and maximum.

    Args:
        graph: Any.
        images: To calibrate on.
        target: Runtime.
        skip: Names of convolutions that stay float.
    """
    values = observed(graph, images)
    layers = {
        node.name: int8_layer(graph, node)
        for node in graph.nodes
        if node.op == "Conv" and node.name not in skip
    }
    results = {name: result_of(graph, name, target) for name in layers}
    nodes = {node.name: node for node in graph.nodes}
    sources = {nodes[name].inputs[0] for name in layers}
    if target == "ncnn":
        stored = {
            tensor
            for tensor in results.values()
            if tensor not in graph.outputs
            and all(reader.name in layers for reader in graph.consumers[tensor])
        }
        grids = {name: symmetric(values[name]) for name in sources | stored}
        return Plan(target, grids, frozenset(stored), layers, frozenset())
    hidden = {nodes[n].output for n in layers} - set(results.values())
    moves = {
        node.name
        for node in graph.nodes
        if node.op in MOVES | ACTIVATIONS and node.inputs[0] not in hidden
    }
    tensors = sources | set(results.values())
    for name in moves:
        fed = [tensor for tensor in nodes[name].inputs if tensor not in graph.constants]
        tensors |= {*filter(None, fed), nodes[name].output}
    groups = {name: name for name in tensors}

    def root(name):
        return name if groups[name] == name else root(groups[name])

    for name in moves:
        if nodes[name].op in MOVES:
            for tensor in nodes[name].inputs:
                if tensor in groups:
                    groups[root(tensor)] = root(nodes[name].output)
    members: dict[str, list[str]] = {}
    for name in tensors:
        members.setdefault(root(name), []).append(name)
    grids = {}
    for names in members.values():
        joined = np.concatenate([values[name].reshape(-1) for name in names])
        grids |= dict.fromkeys(names, asymmetric(joined))
    return Plan(target, grids, frozenset(tensors), layers, frozenset(moves))


def simulated(graph: Graph, plan: Plan, image: np.ndarray) -> list[np.ndarray]:
    """The outputs of a plan, computed in floats."""
    return run_plainly(with_codes(graph, plan), image)


def run_plainly(graph: Graph, image: np.ndarray) -> list[np.ndarray]:
    """The outputs of a graph, with nothing fused or folded on the way."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        to_model(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: list[np.ndarray] = session.run(list(graph.outputs), {graph.inputs[0]: image})
    return found


def result_of(graph: Graph, name: str, target: str) -> str:
    """The tensor that a convolution gives with the activation that its runtime fuses."""
    output = next(node.output for node in graph.nodes if node.name == name)
    follower = graph.sole_consumer(output)
    fused = follower is not None and follower.op in FUSED.get(target, {"Relu"})
    return follower.output if fused else output


def int8_layer(graph: Graph, node: Node) -> Int8Layer:
    weight, bias = graph.constants[node.inputs[1]], graph.values(node.input(2))
    largest = np.abs(weight).max((1, 2, 3))
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    codes = np.rint(weight / scales[:, None, None, None]).astype(np.int8)
    return Int8Layer(codes, scales, np.zeros(len(weight), np.float32) if bias is None else bias)


def symmetric(values: np.ndarray) -> Grid:
    return Grid(float(np.float32(max(np.abs(values).max(), SMALLEST) / 127)))


def asymmetric(values: np.ndarray) -> Grid:
    low, high = min(values.min(), 0.0), max(values.max(), SMALLEST)
    scale = float(np.float32((high - low) / 255))
    return Grid(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)), -128, 127)
