"""Whether a file that was written computes what its source does, asked of its runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.emit import emitter
from calibration.graph import Graph
from edge import models
from edge.backends import open_backend
from edge.backends.base import Backend, BackendOptions, TensorSpec
from edge.errors import ModelError
from edge.models.base import ModelSpec
from edge.package import Artefact
from edge.types import AnyArray, Candidates, Float32Array, Size, Tensor

_BEST = 200  # candidates that are compared, by score
_FLOOR = 0.05  # scores from here on
_SHARE = 0.97  # a few lie on the edge of a tolerance
_PIXELS = 0.25  # nearer corners are the same, however thin the box


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a file may be from its source.

    Attributes:
        decibels: The least ratio of signal to noise of an output, SQNR.
        overlap: The least IoU of a box with its twin.
        score: The most that a score may differ.
    """

    decibels: float
    overlap: float
    score: float


FULL = Tolerance(40.0, 0.97, 0.02)  # MNN convolves by Winograd, which costs it some bits
HALF = Tolerance(30.0, 0.95, 0.03)  # weights of 11 bits


def run(artefact: Artefact, spec: ModelSpec, image: Float32Array) -> tuple[Float32Array, ...]:
    """The outputs of a model, as real values of their own memory.

    Args:
        artefact: The model's files.
        spec: Names its input and outputs.
        image: (1, 3, H, W): the network input; rounded where the model takes codes.

    Raises:
        EdgeError: The runtime refuses or fails.
    """
    fed = image.transpose(0, 2, 3, 1) if artefact.layout == "NHWC" else image
    opened = open_artefact(artefact, spec)
    try:
        view = opened.input_view()
        view[...] = _as_fed(fed, opened.input).reshape(view.shape)
        return tuple(output.real() for output in opened.run())
    finally:
        opened.close()


def open_artefact(artefact: Artefact, spec: ModelSpec) -> Backend:
    """A model's files in their runtime, with floats as exact as it can."""
    size = spec.input
    shape = (1, 3, size.height, size.width)
    return open_backend(
        artefact.backend,
        artefact.files,
        TensorSpec(
            spec.input_name,
            (*shape[:1], *shape[2:], 3) if artefact.layout == "NHWC" else shape,
            layout=artefact.layout,
        ),
        spec.output_names,
        BackendOptions(precision="fp32"),
    )


def _as_fed(values: Float32Array, input_: TensorSpec) -> AnyArray:
    if input_.dtype == "float32":
        return values
    limits = np.iinfo(input_.dtype)
    steps = np.rint(values / np.float32(input_.scale)) + input_.zero_point
    return np.asarray(np.clip(steps, limits.min, limits.max), input_.dtype)


def check(
    artefact: Artefact,
    graph: Graph,
    spec: ModelSpec,
    image: Float32Array,
    tolerance: Tolerance,
    *,
    locate: bool = True,
) -> float:
    """Compare a file with ONNX Runtime on the graph that it was written from.

    Args:
        artefact: The file.
        graph: What it was written from.
        spec: Names its input and outputs.
        image: (1, 3, H, W): the network input.
        tolerance: How far apart they may be.
        locate: Where they are, look for the operator; it takes many conversions.

    Returns:
        The lowest SQNR of an output, in decibels.

    Raises:
        ModelError: Outputs or boxes differ by more than the tolerance; names the output and the
            operator where the two part.
    """
    wanted = run(_reference(graph), spec, image)
    found = run(artefact, spec, image)
    ratios = [decibels(f, w) for f, w in zip(found, wanted, strict=True)]
    worst = int(np.argmin(ratios))
    kind = f"{artefact.backend} {artefact.precision}"
    if ratios[worst] < tolerance.decibels:
        name = spec.output_names[worst]
        where = ""
        if locate:
            where = "; " + part(artefact, graph.rebuilt(outputs=[name]), image, tolerance)
        raise ModelError(
            f"{kind}: its output {name} has an SQNR of {ratios[worst]:.1f} dB against "
            f"ONNX Runtime, {tolerance.decibels:.0f} dB are wanted{where}"
        )
    if not agree(decode(found, spec), decode(wanted, spec), tolerance):
        raise ModelError(f"{kind}: its boxes are not those of ONNX Runtime")
    return ratios[worst]


def part(artefact: Artefact, graph: Graph, image: Float32Array, tolerance: Tolerance) -> str:
    """Where a runtime and ONNX Runtime part on the way to an output, as a phrase.

    The graph is written again, ending earlier and earlier, until the first operator is found
    behind which the two differ.
    """
    nodes = [node for node in graph.nodes if graph.dtypes.get(node.output) == "float32"]
    half = artefact.precision == "fp16"
    write = emitter(artefact.backend)

    def differs(index: int) -> bool:
        name = nodes[index].output
        shorter = graph.rebuilt(outputs=[name])
        size = Size(*image.shape[2:])
        spec = ModelSpec("", "", size, (), input_name=graph.inputs[0], output_names=(name,))
        again = Artefact(
            artefact.backend, artefact.precision, write(shorter, half=half), artefact.layout
        )
        found, wanted = (run(a, spec, image)[0] for a in (again, _reference(shorter)))
        return decibels(found, wanted) < tolerance.decibels

    index = first(len(nodes), differs)
    if index is None:
        return "written again, its last operator agrees: the file itself is damaged"
    return f"they part at {nodes[index]}, whose output is {nodes[index].output}"


def first(count: int, holds: Callable[[int], bool]) -> int | None:
    """The first of so many from which on something holds; None where it does not of the last."""
    low, high = 0, count - 1
    if not count or not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def decibels(found: AnyArray, wanted: AnyArray) -> float:
    """The ratio of signal to noise, SQNR; infinite for equal values, -infinite for no number."""
    if found.size != wanted.size or not np.isfinite(found).all():
        return -np.inf
    signal = wanted.astype(np.float64).reshape(-1)
    noise = found.astype(np.float64).reshape(-1) - signal
    power = float((noise**2).sum())
    return float(10 * np.log10(max(float((signal**2).sum()), 1e-30) / power)) if power else np.inf


def decode(outputs: Sequence[AnyArray], spec: ModelSpec) -> Candidates:
    """The candidates of all classes that these outputs hold."""
    tensors = [Tensor(values) for values in outputs]
    form = models.form(spec.family, spec.form)
    return form.decode(tensors, spec, score_threshold=_FLOOR, multi_label=True)


def agree(found: Candidates, wanted: Candidates, tolerance: Tolerance) -> bool:
    """Whether nearly all of the best wanted candidates have a twin among those found."""
    return twins(found, wanted, tolerance) >= _SHARE


def twins(found: Candidates, wanted: Candidates, tolerance: Tolerance) -> float:
    """The share of the best wanted candidates that have a twin; 1 where none is wanted."""
    order = np.argsort(-wanted.scores, kind="stable")[:_BEST]
    clear = order[wanted.scores[order] > _FLOOR + tolerance.score]
    matched = [_has_twin(found, wanted, int(index), tolerance) for index in clear]
    return sum(matched) / len(matched) if matched else 1.0


def _has_twin(found: Candidates, wanted: Candidates, index: int, tolerance: Tolerance) -> bool:
    near = np.abs(found.scores - wanted.scores[index]) <= tolerance.score
    boxes = found.boxes[near & (found.class_ids == wanted.class_ids[index])]
    box = wanted.boxes[index]
    reach = _PIXELS
    if (box[2:] <= box[:2]).any():  # without area, where IoU says nothing
        reach += float(np.abs(box).max()) * (1 - tolerance.overlap)
    same = np.abs(boxes - box).max(1, initial=0) <= reach
    return bool((same | (_overlap(boxes, box) >= tolerance.overlap)).any())


def _overlap(boxes: Float32Array, box: Float32Array) -> Float32Array:
    """(N,) IoU of boxes with one."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = (high - low).clip(min=0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), np.float32)


def _reference(graph: Graph) -> Artefact:
    return Artefact("onnxruntime", "fp32", emitter("onnxruntime")(graph))
