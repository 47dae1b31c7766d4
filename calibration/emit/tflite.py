"""A .tflite file from a graph.

TensorFlow Lite keeps images as (1, H, W, C). A tensor of four axes is stored so wherever a
image operator gave it, as it is in the graph elsewhere, and turned when an operator wants the
other. Outputs have the axes of the graph, so that one decoder reads every runtime; those that a
plan stores are codes.
"""

from __future__ import annotations

from functools import partial

from calibration.emit.base import check_plan, check_results, emit_all
from calibration.emit.tflite_int8 import check_moves, layer_name
from calibration.emit.tflite_operators import write
from calibration.emit.tflite_writer import Writer
from calibration.graph import Graph
from calibration.quant.plan.plan import Plan
from calibration.runtimes.tflite import RUNTIME

__all__ = ["emit", "layer_name"]


def emit(graph: Graph, *, half: bool = False, plan: Plan | None = None) -> dict[str, bytes]:
    """The .tflite. See `calibration.emit.base.Emit`."""
    if plan is not None:
        check_plan(plan, graph, RUNTIME.name)
        check_results(plan, graph, RUNTIME.name)
        check_moves(plan, graph)
    writer = Writer(graph, half, plan)
    emit_all(graph, RUNTIME.name, partial(write, writer))
    return {"tflite": writer.finish()}
