"""What an emitter is, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from calibration.graph import Graph, Node
from calibration.quant.plan.plan import Plan
from edge.errors import ModelError, UnsupportedModelError


class Emit(Protocol):
    """From a graph to the files of one runtime."""

    def __call__(
        self, graph: Graph, *, half: bool = False, plan: Plan | None = None
    ) -> dict[str, bytes]:
        """The files, by suffix without the dot.

        Args:
            graph: Canonical, with one input of batch 1.
            half: Weights as float16, where the runtime reads them.
            plan: What of it computes in INT8; None for nothing.

        Raises:
            UnsupportedModelError: The runtime cannot take the graph, or would not compute what
                the plan says; names every node and why.
            ModelError: The plan is of another graph or another runtime.
        """


def node_name(graph: Graph, plan: Plan, node: Node) -> str:
    """How a convolution is called in files that keep the names of nodes."""
    del graph, plan
    return node.name


class CannotEmitError(UnsupportedModelError):
    """A runtime cannot take some nodes of a graph.

    Attributes:
        reasons: By node name, with its operator: why.
    """

    def __init__(self, backend: str, reasons: Mapping[str, str]) -> None:
        self.reasons = reasons
        lines = "; ".join(f"{node}: {reason}" for node, reason in reasons.items())
        super().__init__(f"{backend} does not take {len(reasons)} nodes: {lines}")


class RefusalError(Exception):
    """Why a node cannot be emitted; gathered into one `CannotEmitError`."""


def emit_all(graph: Graph, backend: str, emit: Callable[[Node], None]) -> None:
    """Emit every node, and gather what is refused.

    Raises:
        CannotEmitError: Any node was.
    """
    refused = {str(node): _refusal(graph, node, emit) for node in graph.nodes}
    reasons = {node: reason for node, reason in refused.items() if reason}
    if reasons:
        raise CannotEmitError(backend, reasons)


def _refusal(graph: Graph, node: Node, emit: Callable[[Node], None]) -> str | None:
    if any(name and name not in graph.shapes for name in node.outputs):
        return "the shape of its output depends on the image"
    try:
        emit(node)
    except RefusalError as refusal:
        return str(refusal)
    return None


def check_plan(plan: Plan, graph: Graph, target: str) -> None:
    """Check that a plan is for a runtime and speaks of a graph.

    Raises:
        ModelError: It does not; names the node or tensor.
    """
    if plan.target != target:
        raise ModelError(f"a plan for {target} is wanted, got one for {plan.target}")
    nodes = {node.name: node for node in graph.nodes}
    for name in (*plan.layers, *plan.pass_through):
        if name not in nodes:
            raise ModelError(f"the plan speaks of a node {name}, which the graph does not have")
        fed = [tensor for tensor in nodes[name].inputs if tensor not in graph.constants]
        for tensor in filter(None, fed):
            if tensor not in plan.tensors:
                raise ModelError(f"the plan gives {nodes[name]} codes, but {tensor} has no grid")
    for name, layer in plan.layers.items():
        node = nodes[name]
        expected = graph.shapes[node.inputs[1]] if node.op == "Conv" else None
        if layer.weight.shape != expected:
            raise ModelError(
                f"the plan's weight for {node} is {layer.weight.shape}, not {expected}"
            )
    for tensor in plan.kept_in_int8:
        if tensor not in plan.tensors or tensor not in graph.shapes:
            raise ModelError(f"the plan stores {tensor}, which has no grid or is not in the graph")


def check_results(plan: Plan, graph: Graph, target: str) -> None:
    """Check that what INT8 nodes give is kept as codes, for runtimes that give nothing else.

    Raises:
        CannotEmitError: A layer gives floats; names it.
    """
    refused = {}
    for node in graph.nodes:
        if node.name in plan.layers or node.name in plan.pass_through:
            float_layers = [name for name in node.outputs if name not in plan.kept_in_int8]
            if float_layers and fused_relu(graph, plan, node) is None:
                refused[str(node)] = (
                    f"it gives codes here, but {float_layers[0]} is float in the plan"
                )
    if refused:
        raise CannotEmitError(target, refused)


def fused_relu(graph: Graph, plan: Plan, node: Node) -> Node | None:
    """The ReLU that an INT8 convolution computes as it rounds; None where there is none."""
    follower = graph.sole_consumer(node.output)
    if node.name not in plan.layers or node.output in plan.tensors or follower is None:
        return None
    return follower if follower.op == "Relu" and follower.output in plan.kept_in_int8 else None
