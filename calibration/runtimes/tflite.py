"""TensorFlow Lite: everything between two layers on codes, channels last."""

from __future__ import annotations

from calibration.runtimes.base import PASS_THROUGH, Runtime
from edge.backends.base import ModelFiles


def int8_names(files: ModelFiles) -> frozenset[str]:
    """The names of the weights of operators that read codes; operators have none."""
    from ai_edge_litert import schema_py_generated as schema

    (graph,) = schema.ModelT.InitFromPackedBuf(files["tflite"], 0).subgraphs
    windows = [op for op in graph.operators if len(op.inputs) == 3]
    return frozenset(
        graph.tensors[op.inputs[1]].name.decode()
        for op in windows
        if graph.tensors[op.inputs[0]].type == schema.TensorType.INT8
    )


RUNTIME = Runtime(
    name="tflite",
    scheme="asymmetric",
    symmetric=False,
    stores=True,
    fused=frozenset({"Relu"}),
    pass_through=PASS_THROUGH,
    activations=frozenset({"Relu", "LeakyRelu"}),
    layout="NHWC",
    int8_names=int8_names,
)
