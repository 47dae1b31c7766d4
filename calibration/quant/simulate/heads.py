"""What the raw outputs of a network say: class scores and boxes, apart, by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calibration.graph import Graph
from edge import models
from edge.errors import CalibrationError
from edge.models.base import ModelSpec, OutputLayout, Part


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
    layout = models.layout(spec.family, spec.form)
    held = {part for parts in layout.parts for part in parts}
    logits = layout.per_level and layout.score == "logit"
    maps = all(values.ndim == 4 for values in outputs)
    if not (logits and maps) or not held <= {"classes", "boxes", "objectness"}:
        raise CalibrationError(
            f"a model is calibrated from the raw outputs of its last convolutions, which were not "
            f"found in this one of family {spec.family} and form {spec.form}"
        )
    count = len(outputs) // len(layout.parts)
    results = []
    for level in range(count):
        parts: dict[Part, Any] = {}
        for index, values in enumerate(outputs[level::count]):
            parts |= _parts(layout, index, values, spec)
        objects = parts.get("objectness")
        results.append(Level(parts["classes"], parts["boxes"], objects, layout.anchored))
    return results


def necks(graph: Graph, spec: ModelSpec) -> tuple[str, ...]:
    """The features that heads are computed from: of each level the last tensor behind all it says.

    Args:
        graph: Cut at its last convolutions.
        spec: Says what its outputs are.
    """
    count = len(graph.outputs) // len(models.layout(spec.family, spec.form).parts)
    results = []
    for level in range(count):
        behind = [_behind(graph, name) for name in graph.outputs[level::count]]
        shape = graph.shapes[graph.outputs[level]][2:]
        shared = [
            name
            for node in graph.nodes
            for name in node.outputs
            if all(name in each for each in behind) and graph.shapes[name][2:] == shape
        ]
        results += shared[-1:]
    return tuple(dict.fromkeys(results))


def _behind(graph: Graph, output: str) -> set[str]:
    """The tensors that an output is computed from, without itself."""
    nodes = graph.rebuilt(outputs=[output]).nodes
    return {name for node in nodes for name in node.outputs} - {output}


def _parts(layout: OutputLayout, index: int, values: Any, spec: ModelSpec) -> dict[Part, Any]:
    """What an output of a level holds, (N, A, channels, h, w) each."""
    count, channels, height, width = values.shape
    fields, classes = channels, len(spec.labels)
    if layout.anchored:
        fields = 5 + classes
    where = layout.channels(index, fields, classes)
    if where is None:
        raise CalibrationError(
            f"an output has {channels} channels, {classes} labels call for another number"
        )
    cells = values.reshape(count, channels // fields, fields, height, width)
    return {part: cells[:, :, at] for part, at in where.items()}
