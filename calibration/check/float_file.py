"""Whether a file that was written computes what its source does, asked of its runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.emit import float_artifact
from calibration.graph import Graph
from calibration.runtimes import REFERENCE
from edge import models
from edge.backends import open_backend
from edge.backends.base import Backend, BackendOptions, TensorSpec
from edge.errors import ModelError
from edge.models.base import ModelSpec, Scoring
from edge.package import Artifact
from edge.types import AnyArray, Candidates, Float32Array, Size, Tensor

_BEST = 200  # candidates that are compared, by score
_FLOOR = 0.05  # scores from here on
_PIXELS = 0.25  # nearer corners are the same, however thin the box


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a file may be from its source.

    Attributes:
        decibels: The minimum ratio of signal to noise of an output, SQNR.
        overlap: The minimum IoU of a box with its twin.
        score: The maximum that a score may differ.
        floor: Scores count from here on.
    """

    decibels: float
    overlap: float
    score: float
    floor: float = _FLOOR


# Trained convolutional networks reach 85 dB in every runtime; MNN has GELU as a polynomial, which
# leaves a transformer of two blocks 73.
FULL = Tolerance(50.0, 0.99, 0.005)
HALF = Tolerance(40.0, 0.97, 0.005)  # weights of 11 bits; trained networks reach 50 dB


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a file that agrees with its source does.

    Attributes:
        decibels: The lowest SQNR of an output.
        boxes: How many candidates were compared.
    """

    decibels: float
    boxes: int


def run(
    artifact: Artifact, spec: ModelSpec, image: Float32Array, *, winograd: bool = True
) -> tuple[Float32Array, ...]:
    """The outputs of a model, as real values of their own memory.

    Args:
        artifact: The model's files.
        spec: Names its input and outputs.
        image: (1, 3, H, W): the network input; rounded where the model takes codes.
        winograd: See `edge.backends.base.BackendOptions`.

    Raises:
        EdgeError: The runtime refuses or fails.
    """
    fed = image.transpose(0, 2, 3, 1) if artifact.layout == "NHWC" else image
    opened = open_artifact(artifact, spec, winograd=winograd)
    try:
        view = opened.input_view()
        view[...] = _as_fed(fed, opened.input).reshape(view.shape)
        return tuple(output.real() for output in opened.run())
    finally:
        opened.close()


def open_artifact(artifact: Artifact, spec: ModelSpec, *, winograd: bool = True) -> Backend:
    """A model's files in their runtime, with floats as exact as it can."""
    return open_backend(
        artifact.backend,
        artifact.files,
        TensorSpec(spec.input_name, spec.shape(artifact.layout), layout=artifact.layout),
        spec.output_names,
        BackendOptions(precision="fp32", winograd=winograd),
    )


def _as_fed(values: Float32Array, input_: TensorSpec) -> AnyArray:
    if input_.dtype == "float32":
        return values
    limits = np.iinfo(input_.dtype)
    codes = np.rint(values / np.float32(input_.scale)) + input_.zero_point
    return np.asarray(np.clip(codes, limits.min, limits.max), input_.dtype)


def check(
    artifact: Artifact,
    graph: Graph,
    spec: ModelSpec,
    image: Float32Array,
    tolerance: Tolerance,
    *,
    locate: bool = True,
    winograd: bool = True,
) -> Agreement:
    """Compare a file with ONNX Runtime on the graph that it was written from.

    Args:
        artifact: The file.
        graph: What it was written from.
        spec: Names its input and outputs.
        image: (1, 3, H, W): the network input.
        tolerance: How far apart they may be.
        locate: Where they are, look for the operator; it takes many conversions.
        winograd: See `edge.backends.base.BackendOptions`.

    Raises:
        ModelError: Outputs or boxes differ by more than the tolerance; names the output and the
            operator where the two part.
    """
    expected = run(float_artifact(REFERENCE, graph), spec, image)
    result = run(artifact, spec, image, winograd=winograd)
    ratios = [decibels(f, w) for f, w in zip(result, expected, strict=True)]
    worst = int(np.argmin(ratios))
    name = spec.output_names[worst]
    here, there = decode(result, spec), decode(expected, spec)
    boxes = len(clear(there, tolerance))
    if ratios[worst] < tolerance.decibels:
        why = (
            f"its output {name} has an SQNR of {ratios[worst]:.1f} dB against ONNX Runtime, "
            f"{tolerance.decibels:.0f} dB are wanted"
        )
    elif lonely := [*alone(here, there, tolerance), *alone(there, here, tolerance)]:
        why = (
            f"{len(lonely)} boxes are not those of ONNX Runtime, which finds {boxes}: the first "
            f"is {lonely[0]}; its least exact output is {name}, SQNR {ratios[worst]:.1f} dB"
        )
    else:
        return Agreement(ratios[worst], boxes)
    if locate:
        # An output that is exact enough by itself is followed to where it lost the most.
        limit = replace(tolerance, decibels=max(tolerance.decibels, ratios[worst] + 1))
        shorter = graph.rebuilt(outputs=[name])
        why += "; " + part(artifact, shorter, image, limit, winograd=winograd)
    raise ModelError(f"{artifact.backend} {artifact.precision}: {why}")


def part(
    artifact: Artifact,
    graph: Graph,
    image: Float32Array,
    tolerance: Tolerance,
    *,
    winograd: bool = True,
) -> str:
    """Where a runtime and ONNX Runtime part on the way to an output, as a phrase.

    The graph is written again, ending earlier and earlier, until the first operator is found
    behind which the two differ. Branches that lie beside each other end together, so that what is
    wrong in one is not missed for being right in the other.
    """
    size, half = Size(*image.shape[2:]), artifact.precision == "fp16"

    def differs(index: int) -> bool:
        names = open_ends(graph, index)
        if not names:
            return False
        shorter = graph.rebuilt(outputs=names)
        spec = ModelSpec("", "", size, (), input_name=graph.inputs[0], output_names=names)
        again = float_artifact(artifact.backend, shorter, half=half)
        result = run(again, spec, image, winograd=winograd)
        expected = run(float_artifact(REFERENCE, shorter), spec, image)
        return any(
            decibels(f, w) < tolerance.decibels for f, w in zip(result, expected, strict=True)
        )

    index = first(len(graph.nodes), differs)
    if index is None:
        return "written again, its last operator agrees: the file itself is damaged"
    return f"they part at {graph.nodes[index]}, whose output is {graph.nodes[index].output}"


def open_ends(graph: Graph, index: int) -> tuple[str, ...]:
    """The floats that the nodes up to one leave to those behind it, or to whoever runs the graph.

    Where any of them is wrong, the graph up to there is; where none is, so it remains.
    """
    behind = {name for node in graph.nodes[index + 1 :] for name in node.inputs}
    behind.update(graph.outputs)
    made = (name for node in graph.nodes[: index + 1] for name in node.outputs)
    return tuple(n for n in made if n in behind and graph.dtypes.get(n) == "float32")


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


def decibels(result: AnyArray, expected: AnyArray) -> float:
    """The ratio of signal to noise, SQNR; infinite for equal values, -infinite for no number."""
    if result.size != expected.size or not np.isfinite(result).all():
        return -np.inf
    signal = expected.astype(np.float64).reshape(-1)
    noise = result.astype(np.float64).reshape(-1) - signal
    power = float((noise**2).sum())
    return float(10 * np.log10(max(float((signal**2).sum()), 1e-30) / power)) if power else np.inf


def decode(outputs: Sequence[AnyArray], spec: ModelSpec, tolerance: Tolerance = FULL) -> Candidates:
    """The candidates of all classes that these outputs hold, from a tolerance's floor on."""
    tensors = [Tensor(values) for values in outputs]
    layout = models.layout(spec.family, spec.form)
    return layout.decode(tensors, spec, Scoring(tolerance.floor, multi_label=True))


def clear(candidates: Candidates, tolerance: Tolerance) -> list[int]:
    """Of the best candidates, those whose twins cannot hide below the minimum score."""
    minimum = tolerance.floor + tolerance.score
    best = np.argsort(-candidates.scores, kind="stable")[:_BEST]
    return [int(index) for index in best if candidates.scores[index] > minimum]


def alone(these: Candidates, those: Candidates, tolerance: Tolerance) -> list[str]:
    """Of the best candidates of the one, those without a twin in the other, as phrases."""
    return [
        f"class {these.class_ids[index]} {these.scores[index]:.3f} at "
        f"{np.round(these.boxes[index], 1).tolist()}"
        for index in clear(these, tolerance)
        if not _has_twin(those, these, index, tolerance)
    ]


def _has_twin(
    candidates: Candidates, expected: Candidates, index: int, tolerance: Tolerance
) -> bool:
    near = np.abs(candidates.scores - expected.scores[index]) <= tolerance.score
    boxes = candidates.boxes[near & (candidates.class_ids == expected.class_ids[index])]
    box = expected.boxes[index]
    limit = _PIXELS
    if (box[2:] <= box[:2]).any():  # without area, where IoU says nothing
        limit += float(np.abs(box).max()) * (1 - tolerance.overlap)
    same = np.abs(boxes - box).max(1, initial=0) <= limit
    return bool((same | (_overlap(boxes, box) >= tolerance.overlap)).any())


def _overlap(boxes: Float32Array, box: Float32Array) -> Float32Array:
    """(N,) IoU of boxes with one."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = (high - low).clip(min=0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), np.float32)
