"""What is measured of an INT8 network: what it finds, what each half costs, how fast it is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from calibration.graph import Graph
from calibration.quant.plan.plan import Plan
from calibration.quant.simulate.simulate import simulate
from calibration.report.facts import Row
from edge.backends.base import Precision
from edge.detector import Detector
from edge.evaluate import Agreement, agreement
from edge.evaluate.bootstrap import Difference, differences
from edge.io.datasets import Objects
from edge.package import Package
from edge.types import Detections, Frame, UInt8Array

# As detectors are evaluated: every class of a box, low scores too.
_SCORE, _IOU = 0.03, 0.65
_WARM, _ROUNDS, _SECONDS = 2, 25, 4.0


def find(
    package: Package,
    backend: str,
    precision: Precision,
    images: Iterable[UInt8Array],
    progress: Callable[[int], None],
    *,
    threads: int,
) -> list[Detections]:
    """What a package finds in images, in a real runtime, with low scores too.

    Args:
        package: Has the artifact.
        backend: Its runtime.
        precision: "int8", or "fp32" for the float artifact.
        images: (H, W, 3) uint8 BGR.
        progress: Is told how many are done.
        threads: For one inference; 0 takes one per core.
    """
    results = []
    with Detector.load(
        package,
        backend=backend,
        precision=precision,
        threads=threads,
        conf=_SCORE,
        iou=_IOU,
        multi_label=True,
    ) as detector:
        for image in images:
            results.append(detector(image))
            progress(len(results))
    return results


def row(
    name: str,
    reference: Sequence[Detections],
    detections: Sequence[Detections],
    truth: Sequence[Objects] | None,
    classes: int,
) -> Row:
    """Compare what is found with what the float network finds, and both with labels.

    Args:
        name: Of the row.
        reference: The float network's, with low scores.
        detections: Of the same images.
        truth: Labels of these; None where there are none.
        classes: Number of classes.
    """
    labels: Mapping[str, Difference] = {}
    if truth is not None:
        labels, _ = differences(truth, reference, detections, classes=classes, by_size=False)
    return Row(name, agreement(reference, detections, classes=classes), labels)


def halves(graph: Graph, planned: Plan) -> dict[str, Graph]:
    """The network with only a part of what a plan rounds rounded, and with all.

    Args:
        graph: That the plan is of.
        planned: Any.

    Returns:
        "weights only", "activations only" and "both".
    """
    both = simulate(graph, planned)
    rounded = {node.name: node for node in both.nodes if node.name in planned.layers}
    exact = {node.name: node for node in graph.nodes}
    weights = graph.rebuilt(
        nodes=[
            replace(node, inputs=(node.inputs[0], *rounded[node.name].inputs[1:]))
            if node.name in rounded
            else node
            for node in graph.nodes
        ],
        constants={
            name: both.constants[name] for node in rounded.values() for name in node.inputs[1:]
        },
    )
    activations = both.rebuilt(
        nodes=[
            replace(node, inputs=(node.inputs[0], *exact[node.name].inputs[1:]))
            if node.name in rounded
            else node
            for node in both.nodes
        ],
        constants={
            name: graph.constants[name] for n in rounded for name in exact[n].inputs[1:] if name
        },
    )
    return {"weights only": weights, "activations only": activations, "both": both}


def overlap(same: Agreement) -> float:
    """The share of all that either finds that both find; 1 where neither finds anything."""
    either = same.expected + same.detections - same.agreed
    return same.agreed / either if either else 1.0


def race(
    packages: Sequence[tuple[Package, str, Precision]], image: UInt8Array, *, threads: int
) -> tuple[float, ...]:
    """The median seconds of an inference of each; they take turns, so that both have the noise.

    Args:
        packages: Each with the runtime and the precision of one of its artifacts.
        image: (H, W, 3) uint8 BGR, fed again and again.
        threads: For one inference; 0 takes one per core.
    """
    frame = Frame.of(image)
    detectors = [
        Detector.load(package, backend=backend, precision=precision, threads=threads)
        for package, backend, precision in packages
    ]
    try:
        taken: list[list[float]] = [[] for _ in detectors]
        start = time.monotonic()
        for number in range(_WARM + _ROUNDS):
            for detector, times in zip(detectors, taken, strict=True):
                latency = detector.run(frame).latency.inference
                if number >= _WARM:
                    times.append(latency)
            if time.monotonic() - start > _SECONDS and number > _WARM:
                break
        return tuple(statistics.median(times) for times in taken)
    finally:
        for detector in detectors:
            detector.close()
