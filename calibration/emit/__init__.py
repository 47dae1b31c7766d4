"""From the canonical graph to the files of each runtime: one module each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from calibration.emit.base import CannotEmitError, Emit
from calibration.graph import Graph
from calibration.quant.plan.equalize import settled
from calibration.quant.plan.plan import Plan
from edge.backends import BACKENDS
from edge.errors import UnsupportedModelError
from edge.package import Artifact
from edge.types import Layout

__all__ = ["EMITTERS", "CannotEmitError", "Emit", "emitter", "float_artifact", "int8_artifact"]

# Keys as in `edge.backends.BACKENDS`, values are modules with a function `emit`: some need their
# runtime. To add one: write its module, add its row.
EMITTERS: Mapping[str, str] = {name: f"calibration.emit.{name}" for name in BACKENDS}


def emitter(backend: str) -> Emit:
    """The emitter of a runtime.

    Raises:
        UnsupportedModelError: There is none.
        NotInstalledError: It needs a package that is missing.
    """
    if backend not in EMITTERS:
        raise UnsupportedModelError(f"unknown target {backend!r}; known: {', '.join(EMITTERS)}")
    emit: Emit = import_module(EMITTERS[backend]).emit
    return emit


def float_artifact(target: str, graph: Graph, *, half: bool = False) -> Artifact:
    """A graph in floats, in the files of a runtime.

    Args:
        target: Key into `EMITTERS`.
        graph: Canonical, with one input of batch 1.
        half: Weights as float16.

    Raises:
        CannotEmitError: The runtime lacks operators.
        UnsupportedModelError: There is no such runtime.
        NotInstalledError: It needs a package that is missing.
    """
    files = emitter(target)(graph, half=half)
    return Artifact(target, "fp16" if half else "fp32", files, _layout(target))


def int8_artifact(graph: Graph, plan: Plan) -> Artifact:
    """A graph in INT8, in the files of the runtime that the plan is for.

    What stays float is stored in ncnn as float16, which is exact enough beside 8 bits.

    Args:
        graph: Canonical, with one input of batch 1.
        plan: Of this graph.

    Raises:
        CannotEmitError: The runtime lacks operators, or would not compute what the plan says.
        ModelError: The plan is of another graph.
        NotInstalledError: It needs a package that is missing.
    """
    graph = settled(graph, plan)
    files = emitter(plan.target)(graph, half=plan.target == "ncnn", plan=plan)
    return Artifact(plan.target, "int8", files, _layout(plan.target))


def _layout(target: str) -> Layout:
    return "NHWC" if target == "tflite" else "NCHW"
