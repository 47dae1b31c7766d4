"""Whether a file in INT8 computes its plan, asked of its runtime.

Two right implementations of a plan differ by rare steps of one code, which a network amplifies.
So bits are not compared: each must be equally far from the float network, and find the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from calibration.check.agreement import Simulated, agree, detector
from calibration.check.float_file import decibels, first, open_artifact, open_ends, run
from calibration.emit import int8_artifact, layer_name
from calibration.graph import Graph, Node
from calibration.quant.observe.session import Session
from calibration.quant.plan import structure
from calibration.quant.plan.plan import Plan
from calibration.quant.simulate.simulate import simulate
from calibration.runtimes import runtime
from edge.backends.base import Backend, ModelFiles
from edge.errors import ModelError
from edge.evaluate import Agreement
from edge.models.base import ModelSpec
from edge.package import Artifact
from edge.types import AnyArray, Detections, Float32Array, Size, Tensor, UInt8Array

_MARGIN = 3.0  # decibels: twice the noise. Right files were seen to differ by 1.
_CLEAR = 40.0  # decibels; from here on it does not matter which is the nearer one
_AGREEMENT = 0.97  # AP50 of the detections, the simulation's as the truth


def int8_layers(graph: Graph, plan: Plan, files: ModelFiles) -> frozenset[str]:
    """The convolutions of a file that compute on codes, as its runtime sees it, by node name.

    A runtime computes in floats, and does not say so, what it has no INT8 form of or was not
    given all scales for; another quantizes what was float.

    Args:
        graph: That the file was written from.
        plan: For the file's runtime.
        files: By suffix.
    """
    computed = runtime(plan.target).int8_names(files)
    nodes = structure.convolutions(graph)
    return frozenset(node.name for node in nodes if layer_name(graph, plan, node) in computed)


@dataclass(frozen=True, slots=True)
class Verified:
    """How near a file is to its plan.

    Attributes:
        layers: Convolutions that compute on codes.
        simulated: By output, SQNR of the simulated plan against the float network in decibels.
        measured: The same of the file in its runtime.
        agreement: Of what the file detects with what the simulation does, classes pooled.
    """

    layers: int
    simulated: tuple[float, ...]
    measured: tuple[float, ...]
    agreement: Agreement


def check(
    artifact: Artifact,
    graph: Graph,
    plan: Plan,
    spec: ModelSpec,
    images: Sequence[UInt8Array],
) -> Verified:
    """Compare a file in its runtime with the simulation of its plan.

    Args:
        artifact: Written from this graph and plan.
        graph: Float.
        plan: For the artifact's runtime.
        spec: How to read the outputs of the graph.
        images: (H, W, 3) uint8 BGR or (H, W) gray; a few are enough for layers and SQNR, two
            dozen for the detections.

    Raises:
        ModelError: Other convolutions compute on codes than the plan says, an output is farther
            from the float network than the plan is, or other things are found; names what.
        BackendError: The runtime is missing or failed.
    """
    kind = f"{artifact.backend} int8"
    _check_layers(kind, graph, plan, int8_layers(graph, plan, artifact.files))
    exact = _Watched.on(images, spec, Simulated(graph))
    planned = _Watched.on(images, spec, Simulated(simulate(graph, plan)))
    real = _Watched.on(images, spec, open_artifact(artifact, spec))
    simulated, measured = (
        tuple(map(decibels, side.outputs(), exact.outputs())) for side in (planned, real)
    )
    for name, plans, files in zip(spec.output_names, simulated, measured, strict=True):
        if _is_worse(files, plans):
            where = part(graph.rebuilt(outputs=[name]), plan, exact.image)
            raise ModelError(
                f"{kind}: its output {name} has an SQNR of {files:.1f} dB against the float "
                f"network, the simulation of its plan {plans:.1f} dB; {where}"
            )
    agreement = agree(planned.measured, real.measured)
    wished = _least(agreement.expected, agree(exact.measured, planned.measured).ap50)
    if agreement.ap50 < wished:
        raise ModelError(
            f"{kind}: its detections agree with the simulation's to AP50 {agreement.ap50:.3f}, "
            f"{wished:.3f} is wanted of {agreement.expected}"
        )
    return Verified(len(plan.layers), simulated, measured, agreement)


def part(graph: Graph, plan: Plan, image: Float32Array) -> str:
    """Where a runtime leaves its plan on the way to an output, as a phrase.

    The graph is written again, ending earlier and earlier, until the first operator is found
    behind which the runtime is farther from float than the plan.
    """
    last = {node.output for node in graph.nodes if _may_be_last(graph, plan, node)}
    ends = [index for index, node in enumerate(graph.nodes) if node.output in last]

    def is_worse(index: int) -> bool:
        names = tuple(name for name in open_ends(graph, ends[index]) if name in last)
        shorter = graph.rebuilt(outputs=names)
        rest = _restricted(plan, shorter)
        size = Size(*image.shape[2:])
        spec = ModelSpec("", "", size, (), input_name=graph.inputs[0], output_names=names)
        again = int8_artifact(shorter, rest)
        exact, simulated = (Session(g)(image) for g in (shorter, simulate(shorter, rest)))
        outputs = zip(run(again, spec, image), exact, simulated, strict=True)
        return any(_is_worse(decibels(f, e), decibels(s, e)) for f, e, s in outputs)

    index = first(len(ends), is_worse)
    if index is None:
        return "written again, its last operator agrees: the file itself is damaged"
    node = graph.nodes[ends[index]]
    return f"they part at {node}, whose output is {node.output}"


class _Watched:
    """A backend whose outputs are kept, as real values."""

    def __init__(self, backend: Backend) -> None:
        self.input, self.precision, self.threads = (
            backend.input,
            backend.precision,
            backend.threads,
        )
        self.image: Float32Array = np.empty(0, np.float32)  # the last that was fed
        self.measured: list[Detections] = []
        self._backend = backend
        self._rows: list[tuple[Float32Array, ...]] = []

    @classmethod
    def on(cls, images: Sequence[UInt8Array], spec: ModelSpec, backend: Backend) -> _Watched:
        """Of what a detector finds in images, with low scores too."""
        watched = cls(backend)
        with detector(spec, watched) as find:
            watched.measured = [find(image) for image in images]
        return watched

    def outputs(self) -> list[AnyArray]:
        """Each output on all images."""
        columns = zip(*self._rows, strict=True)
        return [np.concatenate([values.reshape(-1) for values in column]) for column in columns]

    def input_view(self) -> AnyArray:
        """See `edge.backends.base.Backend`."""
        return self._backend.input_view()

    def run(self) -> tuple[Tensor, ...]:
        """See `edge.backends.base.Backend`."""
        self.image = np.array(self._backend.input_view(), np.float32)
        outputs = self._backend.run()
        self._rows.append(tuple(output.real() for output in outputs))
        return outputs

    def close(self) -> None:
        """See `edge.backends.base.Backend`."""
        self._backend.close()


def _check_layers(kind: str, graph: Graph, plan: Plan, names: frozenset[str]) -> None:
    nodes = {node.name: node for node in graph.nodes}
    float_layers = [str(nodes[name]) for name in nodes if name in set(plan.layers) - names]
    codes = [str(nodes[name]) for name in nodes if name in names - set(plan.layers)]
    if float_layers:
        raise ModelError(f"{kind}: these compute in floats, in its plan on codes: {float_layers}")
    if codes:
        raise ModelError(f"{kind}: these compute on codes, in its plan in floats: {codes}")


def _least(detections: int, simulated: float) -> float:
    """The AP50 against the simulation from which on a file may be right.

    What is rounded twice in slightly different ways differs less than from what is not rounded: a
    plan that loses much gets as much room, and is the gate's concern. Of few detections a right
    file may miss some by chance, which is why two standard deviations are let pass.
    """
    if not detections or simulated < 0:
        return -1.0  # nothing to compare
    share = min(_AGREEMENT, simulated)
    return share - 2 * sqrt(share * (1 - share) / detections)


def _is_worse(measured: float, simulated: float) -> bool:
    return not measured >= min(simulated, _CLEAR) - _MARGIN


def _may_be_last(graph: Graph, plan: Plan, node: Node) -> bool:
    """Whether a graph can end behind a node, so that its plan still means the same."""
    if graph.dtypes.get(node.output) != "float32":
        return False
    given = not runtime(plan.target).stores or node.output in plan.kept_in_int8
    return given or node.name not in plan.layers


def _restricted(plan: Plan, graph: Graph) -> Plan:
    """What a plan says of the beginning of its graph."""
    names = {node.name for node in graph.nodes}
    kept_in_int8 = plan.kept_in_int8.intersection(graph.shapes)
    if not runtime(plan.target).stores:
        kept_in_int8 = kept_in_int8.difference(graph.outputs)
    return replace(
        plan,
        tensors={name: params for name, params in plan.tensors.items() if name in graph.shapes},
        kept_in_int8=kept_in_int8,
        layers={name: layer for name, layer in plan.layers.items() if name in names},
        pass_through=plan.pass_through & names,
    )
