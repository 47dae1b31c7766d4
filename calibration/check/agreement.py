"""What a simulated network detects, and how far that agrees with the float one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from calibration.graph import Graph
from calibration.quant.observe.session import Session
from edge.backends.base import Backend, Precision, TensorSpec
from edge.detector import Detector
from edge.evaluate import Agreement, agreement
from edge.models.base import ModelSpec
from edge.types import AnyArray, Detections, Tensor, UInt8Array

# As detectors are evaluated: every class of a box, low scores too.
_SCORE, _IOU, _MAX_DETECTIONS = 0.03, 0.65, 300


class Simulated:
    """A graph as a runtime, for `Detector`: exact, and slower than any real one."""

    precision: Precision = "fp32"

    def __init__(self, graph: Graph, *, threads: int = 1) -> None:
        name = graph.inputs[0]
        self.input = TensorSpec(name, graph.shapes[name])
        self.threads = threads
        self._session = Session(graph, threads=threads)
        self._view = np.zeros(graph.shapes[name], np.float32)

    def input_view(self) -> AnyArray:
        """See `edge.backends.base.Backend`."""
        return self._view

    def run(self) -> tuple[Tensor, ...]:
        """See `edge.backends.base.Backend`."""
        return tuple(Tensor(values) for values in self._session(self._view))

    def close(self) -> None:
        """See `edge.backends.base.Backend`."""


def detector(model: ModelSpec, backend: Backend) -> Detector:
    """A detector that finds what `agree` compares: low scores too, every class of a box.

    Args:
        model: Says what the outputs are.
        backend: Closed with the detector.
    """
    return Detector(
        model,
        backend,
        conf=_SCORE,
        iou=_IOU,
        max_det=_MAX_DETECTIONS,
        multi_label=True,
    )


def detections(graph: Graph, model: ModelSpec, images: Iterable[UInt8Array]) -> list[Detections]:
    """What a network finds, image by image, with low scores too.

    Args:
        graph: Float, or simulated.
        model: Says what its outputs are.
        images: (H, W, 3) uint8 BGR or (H, W) gray.
    """
    with detector(model, Simulated(graph)) as find:
        return [find(image) for image in images]


def agree(reference: Sequence[Detections], results: Sequence[Detections]) -> Agreement:
    """How far what is found agrees with a reference, all classes in one ranking.

    What the reference is surer of than .3 is the truth; recall and precision take both sides from
    there. A mean over classes would let a class decide that is in the images once: here every
    detection counts alike, and boxes are compared within their class all the same.
    """
    pairs = [
        (each[each.class_ids == k], other[other.class_ids == k])
        for each, other in zip(reference, results, strict=True)
        for k in np.union1d(each.class_ids, other.class_ids)
    ]
    return agreement(
        [_classless(p) for p, _ in pairs], [_classless(p) for _, p in pairs], classes=1
    )


def _classless(detections: Detections) -> Detections:
    return Detections(detections.boxes, detections.scores, np.zeros_like(detections.class_ids))
