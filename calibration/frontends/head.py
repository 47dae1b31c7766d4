"""Where a detector ends and the arithmetic on its boxes begins.

Exports go on after the last convolutions: activation, grids, joining of levels, suppression. Our
kernels do that faster, runtimes often cannot, and INT8 must not: boxes and scores would share a
scale. So the graph is cut at those convolutions. What they mean follows from the model's family;
where several readings fit, all are proposed, and whoever asks compares them with the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.graph import Graph, Node
from edge.models.base import Anchors, ModelSpec
from edge.types import AnyArray

_SPLIT = frozenset({"yolov6", "yolov6lite", "yolov8"})  # scores and distances from two convolutions
_ANCHORED = frozenset({"yolov5", "yolov7", "yolov7-tiny"})  # all of a level from one


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A shorter network and how to read it.

    Attributes:
        graph: Its outputs are those of convolutions.
        spec: Family and labels as before; form, strides, anchors and outputs of the shorter one.
    """

    graph: Graph
    spec: ModelSpec


def cuts(graph: Graph, spec: ModelSpec) -> Iterator[Cut]:
    """The ways to cut a network, the likeliest first; none where its end is not understood.

    Args:
        graph: The whole network, canonical.
        spec: How to read the outputs of the whole.
    """
    levels = _levels(graph, spec)
    classes = len(spec.labels)
    if spec.family in _SPLIT and levels and all(len(level) == 2 for level in levels.values()):
        for scores in (0, 1):  # with four classes they may look alike
            pairs = [(level[scores], level[1 - scores]) for level in levels.values()]
            fit = all(
                graph.shapes[s][1] == classes and graph.shapes[b][1] % 4 == 0 for s, b in pairs
            )
            if fit:
                names = (*(s for s, _ in pairs), *(b for _, b in pairs))
                yield _cut(graph, spec, "split", names, tuple(levels))
    if spec.family in _ANCHORED and levels and all(len(level) == 1 for level in levels.values()):
        names = tuple(level[0] for level in levels.values())
        for anchors in _anchors(graph, spec, names):
            counts = [len(level) * (5 + classes) for level in anchors]
            if counts == [graph.shapes[name][1] for name in names]:
                yield _cut(graph, spec, "heads", names, tuple(levels), anchors)


def _cut(
    graph: Graph,
    spec: ModelSpec,
    form: str,
    names: tuple[str, ...],
    strides: tuple[int, ...],
    anchors: Anchors = (),
) -> Cut:
    return Cut(
        graph.rebuilt(outputs=names),
        replace(spec, form=form, output_names=names, strides=strides, anchors=anchors),
    )


def _levels(graph: Graph, spec: ModelSpec) -> dict[int, list[str]]:
    """The outputs of the last convolutions by stride, finest first; empty where there are none."""
    found: dict[int, list[str]] = {}
    for node in _last_convolutions(graph):
        height, width = graph.shapes[node.output][2:]
        stride = -(-spec.input.height // height)
        if -(-spec.input.width // width) != stride:
            return {}
        found.setdefault(stride, []).append(node.output)
    return {stride: found[stride] for stride in sorted(found)}


def _last_convolutions(graph: Graph) -> list[Node]:
    """The convolutions from which the outputs follow without another one; in order.

    None where an output follows from the image without any.
    """
    seen: set[str] = set()
    last: list[Node] = []
    names = list(graph.outputs)
    while names:
        name = names.pop()
        node = graph.producers.get(name)
        if name in graph.inputs:
            return []
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.op == "Conv" and not _is_expectation(graph, node):
            last.append(node)
        else:
            names += node.inputs
    order = {node.name: index for index, node in enumerate(graph.nodes)}
    return sorted(last, key=lambda node: order[node.name])


def _is_expectation(graph: Graph, node: Node) -> bool:
    """Whether a convolution takes the mean of a distribution over whole numbers from 0 on."""
    weight = graph.values(node.inputs[1])
    if weight is None or len(weight) != 1 or node.input(2):
        return False
    return bool(np.array_equal(weight.reshape(-1), np.arange(weight.size)))


def _anchors(graph: Graph, spec: ModelSpec, names: Sequence[str]) -> Iterator[Anchors]:
    """The anchors, as the graph has them or as the family does."""
    found = [_factors(graph, name) for name in names]
    sizes = [values for values in found if values is not None]
    if len(sizes) == len(names):
        for factor in (1, 0.25):  # 4 for the square of 2 sigma may stand in the same constant
            yield tuple(tuple((float(w), float(h)) for w, h in level * factor) for level in sizes)
    if spec.anchors:
        yield spec.anchors


def _factors(graph: Graph, name: str) -> AnyArray | None:
    """(A, 2): a constant that multiplies widths and heights by anchor, behind a head."""
    names, seen = [name], {name}
    while names:
        for node in graph.consumers.get(names.pop(), ()):
            for operand in node.inputs if node.op == "Mul" else ():
                values = graph.values(operand)
                pairs = None if values is None else _pairs(values)
                if pairs is not None:
                    return pairs
            if node.op != "Concat":
                names += [output for output in node.outputs if output not in seen]
                seen.update(node.outputs)
    return None


def _pairs(values: AnyArray) -> AnyArray | None:
    if values.ndim < 2 or values.shape[-1] != 2:
        return None
    for axis in range(values.ndim - 1):
        if values.shape[axis] > 1 and not np.ptp(values, axis=axis).any():
            values = values.take([0], axis=axis)  # the same in every cell
    return values.reshape(-1, 2) if values.size in (4, 6, 8, 10) else None
