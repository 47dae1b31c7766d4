"""ONNX Runtime: everything between two layers on codes, groups of channels too."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from calibration.runtimes.base import PASS_THROUGH, Runtime
from edge.backends.base import ModelFiles


def int8_names(files: ModelFiles) -> frozenset[str]:
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
    return frozenset(node.name for node in model.graph.node if node.op_type == "QLinearConv")


RUNTIME = Runtime(
    name="onnxruntime",
    scheme="asymmetric",
    symmetric=False,
    stores=True,
    fused=frozenset({"Relu"}),
    pass_through=PASS_THROUGH,
    activations=frozenset({"Relu", "LeakyRelu"}),
    grouped=True,
    int8_names=int8_names,
)
