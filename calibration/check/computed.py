"""Which convolutions of a file compute on codes, as its runtime sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from calibration.emit.mnn_int8 import operator_name
from calibration.graph import Graph, Node
from calibration.quant.plan.plan import Plan
from edge.backends.base import ModelFiles
from edge.formats.ncnn import read_network


def int8_layers(graph: Graph, plan: Plan, files: ModelFiles) -> frozenset[str]:
    """The names of the convolutions that compute on codes.

    A runtime computes in floats, and does not say so, what it has no INT8 form of or was not
    given all scales for; another quantizes what was float.

    Args:
        graph: That the file was written from.
        plan: For the file's runtime.
        files: By suffix.
    """
    nodes = [node for node in graph.nodes if node.op == "Conv"]
    computed = _READERS[plan.target](files)
    name = _NAMES.get(plan.target, _node_name)
    return frozenset(node.name for node in nodes if name(graph, plan, node) in computed)


def _ncnn(files: ModelFiles) -> set[str]:
    layers = read_network(files["param"], files["bin"]).layers
    return {layer.name for layer in layers if layer.is_int8}


def _mnn(files: ModelFiles) -> set[str]:
    from edge.backends.mnn import operators

    return {name for name, kind in operators(files["mnn"]).items() if "DT_INT8" in kind}


def _tflite(files: ModelFiles) -> set[str]:
    """The names of the weights of operators that read codes."""
    from ai_edge_litert import schema_py_generated as schema

    (graph,) = schema.ModelT.InitFromPackedBuf(files["tflite"], 0).subgraphs
    windows = [op for op in graph.operators if len(op.inputs) == 3]
    return {
        graph.tensors[op.inputs[1]].name.decode()
        for op in windows
        if graph.tensors[op.inputs[0]].type == schema.TensorType.INT8
    }


def _onnxruntime(files: ModelFiles) -> set[str]:
    """The names of the nodes that the optimizer has made INT8 ones."""
    import onnx

    from edge.backends.no_telemetry import onnxruntime

    with TemporaryDirectory(prefix="edge-onnxruntime-") as folder:
        path = Path(folder, "optimized.onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = str(path)
        # Without the last level, which renames nodes as it turns axes.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        onnxruntime.InferenceSession(files["onnx"], options, providers=["CPUExecutionProvider"])
        model = onnx.load(path)
    return {node.name for node in model.graph.node if node.op_type == "QLinearConv"}


def _node_name(_: Graph, __: Plan, node: Node) -> str:
    return node.name


def _weight_name(_: Graph, __: Plan, node: Node) -> str:
    return f"{node.output}/weight"


# What is INT8 in a file, and how a node is called there; where nothing is said, as in the graph.
_READERS: Mapping[str, Callable[[ModelFiles], set[str]]] = MappingProxyType(
    {"ncnn": _ncnn, "mnn": _mnn, "tflite": _tflite, "onnxruntime": _onnxruntime}
)
_NAMES: Mapping[str, Callable[[Graph, Plan, Node], str]] = MappingProxyType(
    {"mnn": operator_name, "tflite": _weight_name}
)
