"""What the raw outputs of a network say: class scores and boxes, apart, by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calibration.graph import Graph
from edge.errors import CalibrationError
from edge.models.base import ModelSpec


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One level of a head, before any activation. Arrays of NumPy or of torch.

    Attributes:
        classes: (N, A, K, h, w) logits.
        boxes: (N, A, B, h, w): what places and sizes boxes.
        objects: (N, A, 1, h, w) logits of there being an object; None where a class says that.
        activated: Whether the boxes go through a sigmoid too.
    """

    classes: Any
    boxes: Any
    objects: Any = None
    activated: bool = False


def levels(outputs: Sequence[Any], spec: ModelSpec) -> list[Level]:
    """The levels of a network that was cut at its last convolutions.

    Args:
        outputs: (N, C, h, w) each, in the order of `ModelSpec.output_names`.
        spec: Says what they are.

    Raises:
        CalibrationError: The head is of another kind.
    """
    if spec.form == "split":
        half = len(outputs) // 2
        pairs = zip(outputs[:half], outputs[half:], strict=True)
        return [Level(scores[:, None], boxes[:, None]) for scores, boxes in pairs]
    if spec.form == "centres":
        third = len(outputs) // 3
        parts = zip(outputs[:third], outputs[third : 2 * third], outputs[2 * third :], strict=True)
        return [Level(*(values[:, None] for values in part)) for part in parts]
    if spec.form == "maps":
        classes = len(spec.labels)
        return [Level(values[:, None, :classes], values[:, None, classes:]) for values in outputs]
    if spec.form == "heads" and spec.anchors:
        return [_anchored(values, 5 + len(spec.labels)) for values in outputs]
    raise CalibrationError(
        f"a model is calibrated from the raw outputs of its last convolutions, which were not "
        f"found in this one of family {spec.family} and form {spec.form}"
    )


def necks(graph: Graph, spec: ModelSpec) -> tuple[str, ...]:
    """The features that heads are computed from: of each level the last tensor behind all it says.

    Args:
        graph: Cut at its last convolutions.
        spec: Says what its outputs are.
    """
    parts = {"split": 2, "centres": 3}.get(spec.form, 1)
    count = len(graph.outputs) // parts
    found = []
    for level in range(count):
        behind = [_behind(graph, name) for name in graph.outputs[level::count]]
        shape = graph.shapes[graph.outputs[level]][2:]
        shared = [
            name
            for node in graph.nodes
            for name in node.outputs
            if all(name in each for each in behind) and graph.shapes[name][2:] == shape
        ]
        found += shared[-1:]
    return tuple(dict.fromkeys(found))


def _behind(graph: Graph, output: str) -> set[str]:
    """The tensors that an output is computed from, without itself."""
    nodes = graph.rebuilt(outputs=[output]).nodes
    return {name for node in nodes for name in node.outputs} - {output}


def _anchored(values: Any, fields: int) -> Level:
    count, channels, height, width = values.shape
    parts = values.reshape(count, channels // fields, fields, height, width)
    return Level(parts[:, :, 5:], parts[:, :, :4], parts[:, :, 4:5], activated=True)
