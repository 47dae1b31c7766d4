"""ONNX bytes from a graph."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from calibration.emit.base import check_plan, check_results, node_name
from calibration.emit.onnxruntime_int8 import with_codes
from calibration.emit.open_size import open_size, takes_any_size
from calibration.graph import Graph, to_model
from calibration.quant.plan.plan import Plan
from calibration.runtimes.onnxruntime import RUNTIME

_SMALL = 64  # elements; below, a constant may be an operator's parameter and is no gain

layer_name = node_name


def emit(graph: Graph, *, half: bool = False, plan: Plan | None = None) -> dict[str, bytes]:
    """The .onnx. See `calibration.emit.base.Emit`."""
    if plan is not None:
        check_plan(plan, graph, RUNTIME.name)
        check_results(plan, graph, RUNTIME.name)
        graph = with_codes(graph, plan)
    model = to_model(graph)
    if takes_any_size(graph):
        open_size(model)
    if half:
        _halve(model)
    return {"onnx": model.SerializeToString()}


def _halve(model: onnx.ModelProto) -> None:
    """Store large constants as float16, each behind a Cast that the runtime folds at load.

    Scales stay as they are: rounded, they would belong to other codes.
    """
    casts = []
    scales = {node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for init in model.graph.initializer:
        values = numpy_helper.to_array(init)
        if values.dtype == np.float32 and values.size > _SMALL and init.name not in scales:
            name, kept_in_int8 = init.name, f"{init.name}/half"
            init.CopyFrom(numpy_helper.from_array(values.astype(np.float16), kept_in_int8))
            casts.append(helper.make_node("Cast", [kept_in_int8], [name], kept_in_int8, to=1))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
