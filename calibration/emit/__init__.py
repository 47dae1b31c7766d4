"""From the canonical graph to the files of each runtime: one module each.

What else is to be known of them stands in `calibration.runtimes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from calibration.emit.base import CannotEmitError, Emit
from calibration.graph import Graph, Node
from calibration.quant.plan.equalize import settled
from calibration.quant.plan.plan import Plan
from calibration.runtimes import RUNTIMES, runtime
from edge.errors import UnsupportedModelError
from edge.package import Artifact

__all__ = [
    "EMITTERS",
    "CannotEmitError",
    "Emit",
    "emitter",
    "float_artifact",
    "int8_artifact",
    "layer_name",
]

# By name of the runtime, modules with functions `emit` and `layer_name`; some need their runtime.
EMITTERS: Mapping[str, str] = {name: f"calibration.emit.{name}" for name in RUNTIMES}


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
    return Artifact(target, "fp16" if half else "fp32", files, runtime(target).layout)


def int8_artifact(graph: Graph, plan: Plan) -> Artifact:
    """A graph in INT8, in the files of the runtime that the plan is for.

    Where `Runtime.half_beside_int8`, what stays float is stored as float16, which is exact enough
    beside 8 bits.

    Args:
        graph: Canonical, with one input of batch 1.
        plan: Of this graph.

    Raises:
        CannotEmitError: The runtime lacks operators, or would not compute what the plan says.
        ModelError: The plan is of another graph.
        NotInstalledError: It needs a package that is missing.
    """
    graph, rules = settled(graph, plan), runtime(plan.target)
    files = emitter(plan.target)(graph, half=rules.half_beside_int8, plan=plan)
    return Artifact(plan.target, "int8", files, rules.layout)


def layer_name(graph: Graph, plan: Plan, node: Node) -> str:
    """How a convolution is called in the file that is written for a plan's runtime.

    Args:
        graph: That the file is written from.
        plan: Of this graph.
        node: A convolution of it.
    """
    name: str = import_module(EMITTERS[plan.target]).layer_name(graph, plan, node)
    return name
