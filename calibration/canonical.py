"""A recognized model for other runtimes: read once, written for each, and each file checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np

from calibration import runtimes
from calibration.check import float_file
from calibration.emit import CannotEmitError, emitter, float_artifact
from calibration.frontends import ncnn, onnx
from calibration.frontends.head import cuts
from calibration.frontends.simplify import simplify
from calibration.graph import Graph
from calibration.runtimes import REFERENCE, RUNTIMES, runtime
from edge import models, ops
from edge.backends.base import ModelFiles, Precision
from edge.conveyor import Conveyor
from edge.errors import EdgeError, ModelError, UnsupportedModelError
from edge.formats.ncnn import read_network
from edge.models.base import ModelSpec
from edge.package import Artifact, Package
from edge.recognize import OpenedModel
from edge.types import Float32Array, Frame, Letterbox, Size, UInt8Array


def for_targets(
    opened: OpenedModel,
    targets: Sequence[str],
    *,
    precision: Precision | None = None,
    image: UInt8Array | None = None,
) -> OpenedModel:
    """The model with an artifact for each of these runtimes, in this order.

    Every artifact is run and compared with ONNX Runtime before it is handed out.

    Args:
        opened: From `edge.recognize.open_model`; its first float artifact for ONNX Runtime or
            ncnn is the source.
        targets: Keys into `edge.backends.BACKENDS`.
        precision: Of the stored weights; None takes what is usual for each runtime.
        image: (H, W, 3) uint8 BGR to compare on, best one with what the model finds; None takes
            a rendered one, of a conveyor belt.

    Raises:
        UnsupportedModelError: There is no such source, or a runtime lacks operators: names all
            of them and the runtimes that could take the model.
        ModelError: A file does not compute what its source does; names the operator.
        BackendError: A runtime is missing or failed.
        ValueError: The precision is none of stored weights.
    """
    if precision == "int8":
        raise ValueError("float files are written here; calibration writes INT8")
    package = opened.package
    graph, spec, sentence = canonical(package, [] if image is None else [image])
    pixels = _network_input(package.spec, image)
    rendered = "a rendered image; --data FILE takes another"
    which = rendered if image is None else "the image given"
    converted = [sentence, f"files are compared in {which}"]
    artifacts: list[Artifact] = []
    for target in targets:
        artifact, sentence = _artifact(target, precision, graph, spec, pixels)
        artifacts.append(artifact)
        converted.append(sentence)
    provenance = {**package.provenance, "converted": converted}
    changed = replace(
        package,
        spec=spec,
        artifacts=tuple(artifacts),
        provenance=provenance,
        sources=sources(package, spec),
    )
    return OpenedModel(changed, (*opened.evidence, *converted))


def canonical(package: Package, images: Iterable[UInt8Array] = ()) -> tuple[Graph, ModelSpec, str]:
    """The float network of a model, cut at its heads where that gives the boxes of the whole.

    Args:
        package: With a float artifact for ONNX Runtime or ncnn.
        images: (H, W, 3) uint8 BGR each: they are compared on the first in which the model finds
            something; none takes a rendered one.

    Returns:
        The network, how to read it, and a sentence on where it was cut.

    Raises:
        UnsupportedModelError: There is no such artifact.
        ModelError: The graph that was read does not compute what its source does.
    """
    source, graph = _source(package.artifacts, package.spec)
    for image in images:
        pixels = _network_input(package.spec, image)
        expected = float_file.run(source, package.spec, pixels)
        if float_file.clear(float_file.decode(expected, package.spec), float_file.FULL):
            break
    else:
        pixels = _network_input(package.spec, None)
        expected = float_file.run(source, package.spec, pixels)
    return _shortened(graph, package.spec, pixels, expected)


def sources(package: Package, spec: ModelSpec) -> Mapping[str, str]:
    """Where the facts of a cut model are from: anchors that the whole did without, its graph."""
    added = {"anchors": "file"} if spec.anchors != package.spec.anchors else {}
    return MappingProxyType({**package.sources, **added})


def _artifact(
    target: str,
    precision: Precision | None,
    graph: Graph,
    spec: ModelSpec,
    pixels: Float32Array,
) -> tuple[Artifact, str]:
    """The checked file of one runtime, and a sentence on it."""
    half = (precision or runtime(target).precision) == "fp16"
    try:
        artifact = float_artifact(target, graph, half=half)
    except CannotEmitError as error:
        able = _able(graph, target)
        raise UnsupportedModelError(f"{error}. Runtimes that take the model: {able}") from error
    final = not half or precision is not None  # else whole floats are still to be tried
    tolerance = float_file.HALF if half else float_file.FULL
    check = partial(float_file.check, artifact, graph, spec, pixels, tolerance)
    try:
        return artifact, _agreed(artifact, check(locate=False))
    except ModelError as error:
        if not final:
            artifact, sentence = _artifact(target, "fp32", graph, spec, pixels)
            return artifact, f"{sentence}; weights of 16 bits would move its boxes"
        if not runtime(target).winograd:
            check()  # again, to say where
        sentence = _agreed(artifact, check(winograd=False))
        why = str(error).partition(": ")[2]
        return (
            artifact,
            f"{sentence}, without Winograd's method; with it, as it usually runs, {why}",
        )


def _agreed(artifact: Artifact, result: float_file.Agreement) -> str:
    numbers = "the same numbers"
    if result.decibels < np.inf:
        numbers = f"SQNR {result.decibels:.0f} dB or more"
    boxes = f"{result.boxes} boxes" if result.boxes else "no box to compare"
    return f"{artifact.backend} {artifact.precision}: agrees with ONNX Runtime, {numbers}, {boxes}"


def _source(artifacts: Sequence[Artifact], spec: ModelSpec) -> tuple[Artifact, Graph]:
    for artifact in artifacts:
        if artifact.precision == "int8":
            continue
        if artifact.backend in _FRONTENDS:
            return artifact, simplify(_FRONTENDS[artifact.backend](artifact.files, spec.input))
    there = ", ".join(f"{a.backend} {a.precision}" for a in artifacts)
    raise UnsupportedModelError(
        "INT8 and files for other runtimes are made from a float model for ONNX Runtime or ncnn; "
        f"this one is {there}, which runs as it is: start from the network's ONNX export, its ncnn "
        "files or its checkpoint"
    )


def _read_onnx(files: ModelFiles, input_: Size) -> Graph:
    return onnx.read(files["onnx"], input_size=input_).graph


def _read_ncnn(files: ModelFiles, input_: Size) -> Graph:
    return ncnn.read(read_network(files["param"], files["bin"]), input_)


# The runtimes whose files can be read, by name.
_FRONTENDS: Mapping[str, Callable[[ModelFiles, Size], Graph]] = MappingProxyType(
    {runtimes.onnxruntime.RUNTIME.name: _read_onnx, runtimes.ncnn.RUNTIME.name: _read_ncnn}
)


def _network_input(spec: ModelSpec, image: UInt8Array | None) -> Float32Array:
    """(1, 3, H, W): an image as the detector would feed it."""
    pre, size = spec.preprocessing, spec.input
    frame = Frame.of(Conveyor(0, size).render(0)[0] if image is None else image)
    out = np.zeros((1, 3, size.height, size.width), np.float32)
    geometry = Letterbox.fit(frame.size, size, pre.placement)
    ops.letterbox(
        frame, geometry, out, color=pre.color, mean=pre.mean, scale=pre.scale, pad=pre.pad
    )
    return out


def _shortened(
    graph: Graph, spec: ModelSpec, pixels: Float32Array, expected: Sequence[Float32Array]
) -> tuple[Graph, ModelSpec, str]:
    """The graph cut at its heads, where that gives the boxes of the whole; else the whole.

    Raises:
        ModelError: The graph that was read does not compute what the source does.
    """
    tolerance = _tolerance(expected, spec)
    target = float_file.decode(expected, spec, tolerance)
    clear = float_file.clear(target, tolerance)
    for cut in cuts(graph, spec):
        artifact = float_artifact(REFERENCE, cut.graph)
        outputs = float_file.run(artifact, cut.spec, pixels)
        candidates = float_file.decode(outputs, cut.spec, tolerance)
        lost = float_file.alone(target, candidates, tolerance)
        if not models.layout(cut.spec.family, cut.spec.form).suppress:
            # The whole may have suppressed what nobody would behind the cut.
            lost += float_file.alone(candidates, target, tolerance)
        if clear and not lost:
            names = ", ".join(cut.spec.output_names)
            read = "" if cut.spec.anchors == spec.anchors else "; its anchors stand in its graph"
            sentence = f"cut at the outputs of its last convolutions: {names}{read}"
            return cut.graph, cut.spec, sentence
    whole = graph.rebuilt(outputs=spec.output_names)
    artifact = float_artifact(REFERENCE, whole)
    outputs = float_file.run(artifact, spec, pixels)
    for name, values, value in zip(spec.output_names, outputs, expected, strict=True):
        ratio = float_file.decibels(values, value)
        if ratio < float_file.FULL.decibels:
            raise ModelError(f"reading the model changed its output {name}: SQNR {ratio:.1f} dB")
    if clear or not any(cuts(graph, spec)):
        return whole, spec, "left whole: no cut at the last convolutions gave its boxes"
    return whole, spec, "left whole: it finds nothing in the image to compare a cut by"


def _tolerance(outputs: Sequence[Float32Array], spec: ModelSpec) -> float_file.Tolerance:
    """The usual one; where nothing is detected, that of scores so faint that something is left."""
    usual = float_file.FULL
    for part in (1, 0.1, 0.01, 0.001, 0.0001):
        tolerance = replace(usual, score=part * usual.score, floor=part * usual.floor)
        if float_file.clear(float_file.decode(outputs, spec, tolerance), tolerance):
            return tolerance
    return usual


def _able(graph: Graph, refused: str) -> str:
    """The other runtimes that take the graph."""
    able = []
    for target in RUNTIMES:
        if target == refused:
            continue
        try:
            emitter(target)(graph)
        except EdgeError:
            continue
        able.append(target)
    return ", ".join(able) or "none"
