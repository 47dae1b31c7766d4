"""ONNX bytes from a graph."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from calibration.graph import Graph, to_model

_SMALL = 64  # elements; below, a constant may be an operator's parameter and is no gain


def emit(graph: Graph, *, half: bool = False) -> dict[str, bytes]:
    """The .onnx. See `calibration.emit.base.Emit`."""
    model = to_model(graph)
    if half:
        _halve(model)
    return {"onnx": model.SerializeToString()}


def _halve(model: onnx.ModelProto) -> None:
    """Store large constants as float16, each behind a Cast that the runtime folds at load."""
    casts = []
    for init in model.graph.initializer:
        values = numpy_helper.to_array(init)
        if values.dtype == np.float32 and values.size > _SMALL:
            name, stored = init.name, f"{init.name}/half"
            init.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
            casts.append(helper.make_node("Cast", [stored], [name], stored, to=1))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
