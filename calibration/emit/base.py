"""What an emitter is, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from calibration.graph import Graph, Node
from edge.errors import UnsupportedModelError


class Emit(Protocol):
    """From a graph to the files of one runtime."""

    def __call__(self, graph: Graph, *, half: bool = False) -> dict[str, bytes]:
        """The files, by suffix without the dot.

        Args:
            graph: Canonical, with one input of batch 1.
            half: Weights as float16, where the runtime reads them.

        Raises:
            UnsupportedModelError: The runtime cannot take the graph; names every node and why.
        """


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
