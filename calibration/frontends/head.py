"""Where a detector ends and the arithmetic on its boxes begins.

Exports go on after the last convolutions: activation, grids, joining of levels, suppression. Our
kernels do that faster, runtimes often cannot, and INT8 must not: boxes and scores would share a
scale. So the graph is cut at those convolutions. What they mean follows from the output forms that
the model's family has; where several readings fit, all are proposed, and whoever asks compares them
with the whole. Families without such a form stay whole: the outputs of FCOS, CenterNet and SSD are
those of convolutions already, DETR, YOLOS and RT-DETR end in no convolution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from calibration.graph import Graph, Node
from edge import models
from edge.models.base import Anchors, ModelSpec, OutputLayout
from edge.models.shapes import cells
from edge.types import AnyArray

_STRIDES = (4, 8, 16, 32, 64, 128)
# Families whose exports with suppression inside look like those of the first, which needs none.
_ALIKE = {"yolov10": ("yolov8",)}


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A shorter network and how to read it.

    Attributes:
        graph: Its outputs are those of convolutions.
        spec: Labels as before; family, form, strides, anchors and outputs of the shorter one.
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
    (count,) = {len(names) for names in levels.values()} or {0}
    per_level, strides = list(levels.values()), tuple(levels)
    likely = [spec, *(replace(spec, family=name) for name in _ALIKE.get(spec.family, ()))]
    for candidate, (name, layout) in (
        (s, f) for s in likely for f in models.family(s.family).layouts.items()
    ):
        if not layout.per_level or layout.optional or len(layout.parts) != count:
            continue
        for order in permutations(range(count)):  # some may look alike, and come in any order
            parts = [[level[part] for level in per_level] for part in order]
            names = tuple(output for part in parts for output in part)
            sizes = [[graph.shapes[output][1] for output in part] for part in parts]
            if layout.anchored:
                for anchors in _anchors(graph, spec, names):
                    if sizes == [[len(level) * (5 + len(spec.labels)) for level in anchors]]:
                        yield _cut(graph, candidate, name, names, strides, anchors)
            elif _fit(layout, sizes, len(spec.labels)):
                yield _cut(graph, candidate, name, names, strides)


def _fit(layout: OutputLayout, sizes: Sequence[Sequence[int]], classes: int) -> bool:
    """Whether the channels, of each part by level, may hold what the layout says."""
    return all(
        layout.channels(index, size, classes) is not None
        for index, part in enumerate(sizes)
        for size in part
    )


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
    """The outputs of the last convolutions by stride, finest first; empty where there are none.

    As many at every stride.
    """
    results: dict[int, list[str]] = {}
    for node in _last_convolutions(graph):
        maps = graph.shapes[node.output][2:]
        sizes = ((stride, cells(spec.input, stride)) for stride in spec.strides or _STRIDES)
        stride = next((s for s, size in sizes if (size.height, size.width) == maps), None)
        if stride is None:
            return {}
        results.setdefault(stride, []).append(node.output)
    if len({len(names) for names in results.values()}) != 1:
        return {}
    return {stride: results[stride] for stride in sorted(results)}


def _last_convolutions(graph: Graph) -> list[Node]:
    """The convolutions from which the outputs follow without another one; in order.

    None where an output follows from the image without any.
    """
    known: set[str] = set()
    last: list[Node] = []
    names = list(graph.outputs)
    while names:
        name = names.pop()
        node = graph.producers.get(name)
        if name in graph.inputs:
            return []
        if node is None or node.name in known:
            continue
        known.add(node.name)
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
    results = [_factors(graph, name) for name in names]
    sizes = [values for values in results if values is not None]
    if len(sizes) == len(names):
        for factor in (1, 0.25):  # 4 for the square of 2 sigma may stand in the same constant
            yield tuple(tuple((float(w), float(h)) for w, h in level * factor) for level in sizes)
    if spec.anchors:
        yield spec.anchors


def _factors(graph: Graph, name: str) -> AnyArray | None:
    """(A, 2): a constant that multiplies widths and heights by anchor, behind a head."""
    names, histograms = [name], {name}
    while names:
        for node in graph.consumers.get(names.pop(), ()):
            for operand in node.inputs if node.op == "Mul" else ():
                values = graph.values(operand)
                pairs = None if values is None else _pairs(values)
                if pairs is not None:
                    return pairs
            if node.op != "Concat":
                names += [output for output in node.outputs if output not in histograms]
                histograms.update(node.outputs)
    return None


def _pairs(values: AnyArray) -> AnyArray | None:
    if values.ndim < 2 or values.shape[-1] != 2:
        return None
    for axis in range(values.ndim - 1):
        if values.shape[axis] > 1 and not np.ptp(values, axis=axis).any():
            values = values.take([0], axis=axis)  # the same in every cell
    return values.reshape(-1, 2) if values.size in (4, 6, 8, 10) else None
