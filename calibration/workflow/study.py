"""What a report says of the decisions for one scheme: simulated, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from calibration.check.agreement import detections
from calibration.graph import Graph, Node
from calibration.quant.observe.histograms import observe
from calibration.quant.observe.inputs import Inputs
from calibration.quant.plan import equalize, structure
from calibration.quant.plan.plan import Plan
from calibration.quant.plan.planning import plan
from calibration.quant.search.context import SearchContext
from calibration.quant.search.sensitivity import alone
from calibration.quant.simulate.incremental import IncrementalSimulator
from calibration.quant.simulate.objective import Objective
from calibration.quant.simulate.simulate import simulate
from calibration.quant.spec.spec import QuantSpec
from calibration.report import facts
from calibration.runtimes import runtime
from calibration.workflow.measure import halves, row
from edge.evaluate import agreement
from edge.io.datasets import Objects
from edge.models.base import ModelSpec
from edge.types import Detections, UInt8Array

_COSTS = 4  # images on which layers are tried one by one
_CURVE = 5  # points, from all layers in INT8 to those of the spec
_BEYOND = (4, 8)  # further float layers, to see what they would give
ReportProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """What was calibrated.

    Attributes:
        graph: Prepared.
        model: How to read its outputs.
        spec: Of it.
    """

    graph: Graph
    model: ModelSpec
    spec: QuantSpec

    def at(self, target: str) -> tuple[Graph, Plan]:
        """The network as the spec equalizes it for a runtime, and what is INT8 in it."""
        graph = equalize.at(self.graph, self.spec, target)
        return graph, plan(graph, self.spec, target)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Held-out images that a simulation is compared with float on.

    Attributes:
        images: (H, W, 3) uint8 BGR.
        reference: What the float network finds in them.
        truth: Their labels, where they have any.
    """

    images: Sequence[UInt8Array]
    reference: Sequence[Detections]
    truth: Sequence[Objects] | None


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What is known of the values that a network takes.

    Attributes:
        histogram: By scheme and tensor.
        cost: The objective with one layer alone in INT8, by scheme and layer; those that were not
            tried are absent.
    """

    histogram: Mapping[str, Mapping[str, facts.Histogram]]
    cost: Mapping[str, Mapping[str, float]]

    @classmethod
    def of_recipe(cls, recipe: Mapping[str, Any]) -> Observed:
        """From what a recipe says, see `quant.solve.summary`."""
        histograms = {
            scheme: {
                name: facts.Histogram(each["low"], each["high"], tuple(each["counts"]))
                for name, each in solved["histograms"].items()
            }
            for scheme, solved in recipe["schemes"].items()
        }
        return cls(
            histograms, {name: each["sensitivity"] for name, each in recipe["schemes"].items()}
        )

    @classmethod
    def again(
        cls,
        network: Network,
        targets: Sequence[str],
        inputs: Inputs,
        progress: Callable[[str, int, int], None],
    ) -> Observed:
        """By running the network, where no recipe did; layers are not tried.

        Args:
            network: The float one counts.
            targets: Keys into `edge.backends.BACKENDS`.
            inputs: The images.
            progress: Is told the stage, how much is done, of how much.
        """
        observed = {}
        for scheme, target in {runtime(target).scheme: target for target in targets}.items():
            graph = equalize.at(network.graph, network.spec, target)
            names = dict.fromkeys(n.inputs[0] for n in structure.convolutions(graph))
            histograms = observe(graph, inputs, names, partial(progress, "observe"))
            observed[scheme] = {
                n: facts.Histogram.of(*each.bins()) for n, each in histograms.items()
            }
        return cls(observed, {})


def first_inputs(images: Iterable[UInt8Array], model: ModelSpec) -> Inputs:
    """So many images as layers are tried on one by one."""
    return Inputs.of(islice(images, _COSTS), model)


def costs(
    network: Network, target: str, inputs: Inputs, progress: ReportProgress
) -> dict[str, float]:
    """What each INT8 layer costs: the objective when it alone is rounded.

    Args:
        network: With a spec that covers every layer that is asked about.
        target: Whose INT8 is tried.
        inputs: The images to compare heads on.
        progress: Is told how much is done, of how much.
    """
    model, spec = network.model, network.spec
    graph = equalize.at(network.graph, spec, target)
    trial = IncrementalSimulator(graph, spec, target, inputs)
    objective = Objective(inputs, model, trial.set_baseline(None))
    held_out = range(len(inputs))
    return alone(
        SearchContext(graph, model, target, inputs, {}, trial, objective, held_out, progress), spec
    )


def scheme(
    network: Network,
    targets: Sequence[str],
    held_out: Judged,
    observed: Observed,
    progress: ReportProgress,
    *,
    draw_curve: bool,
) -> facts.Scheme:
    """The facts on one scheme.

    Args:
        network: With its spec.
        targets: That have it; the first stands for all.
        held_out: The images to simulate on.
        observed: For the layers.
        progress: Is told how much is done, of how much.
        draw_curve: Try other numbers of float layers too.
    """
    whole, planned = network.at(targets[0])
    name = runtime(targets[0]).scheme
    cost, histograms = observed.cost.get(name, {}), observed.histogram.get(name, {})
    tries = _tries(network, planned, cost) if draw_curve else []
    ways = halves(whole, planned)
    total = len(ways) + len(tries)
    rows = []
    for number, (half, graph) in enumerate(ways.items()):
        rows.append(_row(half, network, graph, held_out))
        progress(number + 1, total)
    points = []
    for number, (count, other) in enumerate(tries):
        points.append(_point(replace(network, spec=other), count, targets[0], held_out))
        progress(len(ways) + number + 1, total)
    return facts.Scheme(
        name,
        tuple(targets),
        tuple(rows),
        layers(network, whole, planned, histograms, cost),
        tuple(points),
    )


def layers(
    network: Network,
    graph: Graph,
    planned: Plan,
    histograms: Mapping[str, facts.Histogram],
    cost: Mapping[str, float],
) -> tuple[facts.Layer, ...]:
    """The facts on each convolution, in order; graph and plan are of one runtime."""
    whole = sum(structure.operations(graph, n) for n in structure.convolutions(graph)) or 1
    results = []
    for node in structure.convolutions(graph):
        source = node.inputs[0]
        params = planned.tensors.get(source) if node.name in planned.layers else None
        clip = None
        if params is not None:
            low, high = ((c - params.zero_point) * params.scale for c in (params.low, params.high))
            clip = (float(low), float(high))
        results.append(
            facts.Layer(
                name=node.name,
                kind=_kind(graph, node),
                operations=structure.operations(graph, node) / whole,
                why_float="" if clip else why_float(network, planned, node),
                cost=cost.get(node.name),
                clip=clip,
                clipped=histograms[source].outside(*clip) if clip and source in histograms else 0.0,
                histogram=histograms.get(source, facts.Histogram(0.0, 0.0, ())),
            )
        )
    return tuple(results)


def why_float(network: Network, planned: Plan, node: Node) -> str:
    """Why a convolution is not INT8 in a plan."""
    rules = runtime(planned.target)
    chosen = network.spec.scheme(rules.scheme).float_layers.get(node.name)
    cannot = structure.refusal(network.graph, node, rules)
    return chosen or cannot or "the spec does not list it"


def float_operations(graph: Graph, planned: Plan) -> float:
    """The share of multiply-accumulates that a plan leaves in float."""
    work = {node.name: structure.operations(graph, node) for node in structure.convolutions(graph)}
    float_layers = sum(count for name, count in work.items() if name not in planned.layers)
    return float_layers / (sum(work.values()) or 1)


def _row(name: str, network: Network, graph: Graph, held_out: Judged) -> facts.Row:
    result = detections(graph, network.model, held_out.images)
    return row(name, held_out.reference, result, held_out.truth, len(network.model.labels))


def _point(network: Network, count: int, target: str, held_out: Judged) -> facts.Point:
    graph, planned = network.at(target)
    result = detections(simulate(graph, planned), network.model, held_out.images)
    same = agreement(held_out.reference, result, classes=len(network.model.labels))
    return facts.Point(count, float_operations(graph, planned), same)


def _tries(
    network: Network, planned: Plan, cost: Mapping[str, float]
) -> list[tuple[int, QuantSpec]]:
    """Specs with fewer and with more float layers, by their number; costliest layers first."""
    name = runtime(planned.target).scheme
    decided = network.spec.scheme(name)
    chosen = [
        n
        for n in decided.float_layers
        if n in decided.layers and n not in _unable(network, planned)
    ]
    more = sorted((n for n in planned.layers if cost.get(n, 0) > 0), key=lambda n: -cost[n])
    counts = {round(len(chosen) * k / (_CURVE - 1)) for k in range(_CURVE)}
    counts |= {len(chosen) + k for k in _BEYOND if k <= len(more)}
    results = []
    for count in sorted(counts):
        kept = dict.fromkeys([*chosen, *more][:count], "tried")
        float_layers = {n: w for n, w in decided.float_layers.items() if n not in chosen} | kept
        schemes = {**network.spec.schemes, name: replace(decided, float_layers=float_layers)}
        results.append((count, replace(network.spec, schemes=schemes)))
    return results


def _unable(network: Network, planned: Plan) -> set[str]:
    rules = runtime(planned.target)
    nodes = structure.convolutions(network.graph)
    return {node.name for node in nodes if structure.refusal(network.graph, node, rules)}


def _kind(graph: Graph, node: Node) -> str:
    outputs, inputs, *window = graph.shapes[node.inputs[1]]
    words = "x".join(map(str, window))
    stride = max(node.ints("strides", (1,)))
    words += f" /{stride}" if stride > 1 else ""
    if structure.is_depthwise(graph, node):
        return f"{words}, {outputs} depthwise"
    return f"{words}, {inputs * node.get('group', 1)} to {outputs}"
