"""One network for any number of plans: scales and weights are inputs, so that trying is cheap.

A search tries thousands of plans that differ in a layer or two. So the network is built once, with
the parameters of every rounding and the weights of every layer as inputs, and cut into segments:
what comes before the first change is not computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np

from calibration.graph import Graph, Node, build
from calibration.quant.observe.inputs import Inputs
from calibration.quant.observe.session import Session, value
from calibration.quant.plan import structure
from calibration.quant.plan.plan import Plan, QuantParams
from calibration.quant.plan.planning import plan
from calibration.quant.simulate.simulate import layer_values
from calibration.quant.spec.spec import QuantSpec
from calibration.runtimes import runtime
from edge.types import AnyArray

Outputs: TypeAlias = "list[tuple[AnyArray, ...]]"
Rounds: TypeAlias = Literal["all", "weights", "activations"]

_SEGMENTS = 10
_BYTES = 768 << 20  # of values that are kept between segments
_FINE = 2.0**-30  # a step so small that rounding to it changes nothing
_FAR = 1e30


class IncrementalSimulator:
    """A network on some images, whose INT8 can be changed."""

    def __init__(self, graph: Graph, spec: QuantSpec, target: str, inputs: Inputs) -> None:
        """Build the network.

        Args:
            graph: Prepared, and equalized as the specs to try say.
            spec: With every layer in it that will ever be INT8, and ranges for them.
            target: Whose INT8 is tried.
            inputs: The images.
        """
        self.target = target
        self._graph = graph
        everything = plan(graph, spec, target)
        writer = _Writer(graph, everything)
        self._sites = writer.sites
        self._weights = writer.weights
        self._inputs = inputs
        self._segments = _segments(writer, len(inputs))
        self._first: dict[str, int] = {}  # the first segment that has a parameter
        for number, part in enumerate(self._segments):
            for name in part.parameters:
                self._first.setdefault(name, number)
        self._base: dict[str, AnyArray] = {}
        self._fed: dict[str, Any] = {}  # the same, as the runtime's own values
        # By segment and image: the values that it starts from, under the base's parameters.
        self._kept: list[list[dict[str, Any]]] = [[{} for _ in inputs.placed] for _ in [0]]

    def outputs(self, spec: QuantSpec | None, rounds: Rounds = "all") -> Outputs:
        """Of each image the outputs, in the order of the graph's.

        Args:
            spec: What to try; None rounds nothing.
            rounds: Which of the spec's roundings: all, those of weights, or of activations.
        """
        return self._run(self._parameters(spec, rounds), keep=False)

    def set_baseline(self, spec: QuantSpec | None) -> Outputs:
        """The outputs; and keep what lies between, since specs like this one come next."""
        return self._run(self._parameters(spec, "all"), keep=True)

    def _parameters(self, spec: QuantSpec | None, rounds: Rounds) -> dict[str, AnyArray]:
        """The value of every parameter."""
        planned = None if spec is None else plan(self._graph, spec, self.target)
        results: dict[str, AnyArray] = {}
        for site, (tensor, reader) in self._sites.items():
            params = None
            if planned is not None and (reader is None or reader in planned.layers):
                params = planned.tensors.get(tensor)
            results |= _rounding_parameters(site, None if rounds == "weights" else params)
        for node, names in self._weights.items():
            layer = None if planned is None else planned.layers.get(node.name)
            if layer is None or planned is None or rounds == "activations":
                results |= zip(names, self._float_weights(node), strict=True)
            else:
                results |= zip(names, layer_values(node, layer, planned), strict=True)
        return results

    def _float_weights(self, node: Node) -> tuple[AnyArray, AnyArray]:
        weight, bias = self._graph.constants[node.inputs[1]], self._graph.values(node.input(2))
        return weight, np.zeros(len(weight), np.float32) if bias is None else bias

    def _run(self, parameters: dict[str, AnyArray], *, keep: bool) -> Outputs:
        changed = self._changed(parameters)
        start = min((self._first[name] for name in changed), default=len(self._segments) - 1)
        if not self._base:
            start = 0
        fed = dict(self._fed)
        fed |= {name: value(np.ascontiguousarray(parameters[name])) for name in changed}
        if keep:
            count = len(self._inputs)
            self._kept[start + 1 :] = [[{} for _ in range(count)] for _ in self._segments[start:]]
        results = []
        for index in range(len(self._inputs)):
            live = self._kept[start][index] if start else self._fresh(index)
            for number in range(start, len(self._segments)):
                segment = self._segments[number]
                if keep and number > start:
                    self._kept[number][index] = live
                outputs = segment.session.chained({**live, **fed}, segment.gives)
                live = {name: live[name] for name in segment.passes}
                live |= dict(zip(segment.gives, outputs, strict=True))
            results.append(tuple(live[name].numpy() for name in self._graph.outputs))
        if keep:
            self._base, self._fed = parameters, fed
        return results

    def _fresh(self, index: int) -> dict[str, Any]:
        return {self._graph.inputs[0]: value(self._inputs.real(index))}

    def _changed(self, parameters: Mapping[str, AnyArray]) -> list[str]:
        """The parameters that are not the base's."""
        base = self._base
        return [n for n, v in parameters.items() if n not in base or not np.array_equal(v, base[n])]


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    session: Session
    parameters: frozenset[str]
    gives: tuple[str, ...]  # what it computes and later ones read
    passes: tuple[str, ...]  # what it is given and later ones read


class _Writer:
    """The nodes of the network with parameters."""

    def __init__(self, graph: Graph, planned: Plan) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.sites: dict[str, tuple[str, str | None]] = {}  # tensor, and who alone reads it rounded
        self.weights: dict[Node, tuple[str, str]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}  # of parameters
        # Codes that are kept are rounded where they are made, else where they are read.
        everywhere = runtime(planned.target).stores
        renamed = dict[str, str]()
        for name in graph.inputs if everywhere else ():
            if name in planned.tensors:
                renamed[name] = self._round(name, name, None)
        for node in graph.nodes:
            inputs = [renamed.get(name, name) for name in node.inputs]
            if node.name in planned.layers:
                if not everywhere:
                    inputs[0] = self._round(node.inputs[0], node.inputs[0], node.name)
                inputs[1:] = self._weigh(node)
            self.nodes.append(replace(node, inputs=tuple(inputs)))
            for name in node.outputs if everywhere else ():
                if name in planned.tensors:
                    renamed[name] = self._round(name, name, None)
        self.outputs = tuple(renamed.get(name, name) for name in graph.outputs)
        self._keep_names(renamed)

    def _round(self, source: str, tensor: str, reader: str | None) -> str:
        site = f"{tensor}/rounded" if reader is None else f"{reader}/reads"
        self.sites[site] = (tensor, reader)
        self.shapes |= {f"{site}/{part}": () for part in ("low", "high", "step")}
        clipped, units, codes = (f"{site}/{part}" for part in ("clipped", "units", "codes"))
        step = f"{site}/step"
        limits = (f"{site}/low", f"{site}/high")
        self.nodes += [
            Node("Clip", clipped, (source, *limits), (clipped,)),
            Node("Div", units, (clipped, step), (units,)),
            Node("Round", codes, (units,), (codes,)),
            Node("Mul", site, (codes, step), (site,)),
        ]
        return site

    def _weigh(self, node: Node) -> tuple[str, str]:
        names = f"{node.name}/weight/tried", f"{node.name}/bias/tried"
        weight = self.graph.shapes[node.inputs[1]]
        self.shapes |= {names[0]: weight, names[1]: weight[:1]}
        self.weights[node] = names
        return names

    def _keep_names(self, renamed: Mapping[str, str]) -> None:
        """Let rounded outputs have the names of the outputs."""
        swap = {renamed[name]: name for name in self.graph.outputs if name in renamed}
        swap |= {name: f"{name}/exact" for name in swap.values()}
        self.nodes = [
            replace(
                node,
                inputs=tuple(swap.get(name, name) for name in node.inputs),
                outputs=tuple(swap.get(name, name) for name in node.outputs),
            )
            for node in self.nodes
        ]


def _rounding_parameters(site: str, params: QuantParams | None) -> dict[str, AnyArray]:
    low, high, step = -_FAR, _FAR, _FINE
    if params is not None:
        low, high = (
            (code - params.zero_point) * params.scale for code in (params.low, params.high)
        )
        step = params.scale
    named = {"low": low, "high": high, "step": step}
    return {f"{site}/{part}": np.array(number, np.float32) for part, number in named.items()}


def _segments(writer: _Writer, images: int) -> list[_Segment]:
    graph, nodes = writer.graph, writer.nodes
    whole = build(
        nodes,
        inputs={**{n: graph.shapes[n] for n in graph.inputs}, **writer.shapes},
        outputs=graph.outputs,
        constants=graph.constants,
    )
    nodes = list(whole.nodes)
    last: dict[str, int] = {name: len(nodes) for name in whole.outputs}
    for index, node in enumerate(nodes):
        for name in node.inputs:
            last[name] = max(last.get(name, 0), index)
    made = {name: index for index, node in enumerate(nodes) for name in node.outputs}
    given = {*graph.inputs, *writer.shapes}

    def live(cut: int) -> list[str]:
        """The tensors that are made before a cut and read behind it."""
        names = [*graph.inputs, *made]
        return [n for n in names if made.get(n, -1) < cut <= last.get(n, -1)]

    segments = []
    cuts = [0, *_cuts(whole, live, images), len(nodes)]
    for start, end in pairwise(cuts):
        part = nodes[start:end]
        before, after = live(start), live(end)
        own = {name for node in part for name in node.outputs}
        read = [n for n in before if any(n in node.inputs for node in part)]
        parameters = {n for node in part for n in node.inputs if n in writer.shapes}
        gives = tuple(name for name in after if name in own)
        session = Session(
            build(
                part,
                inputs={name: whole.shapes[name] for name in (*read, *sorted(parameters))},
                outputs=gives,
                constants={
                    n: v
                    for n, v in whole.constants.items()
                    if n not in given and any(n in node.inputs for node in part)
                },
            )
        )
        passes = tuple(name for name in after if name not in own)
        segments.append(_Segment(session, frozenset(parameters), gives, passes))
    return segments


def _cuts(graph: Graph, live: Callable[[int], list[str]], images: int) -> list[int]:
    """Where to cut: into parts of like cost, where little is alive, within the memory."""
    nodes = graph.nodes
    work = np.cumsum([_work(graph, node) for node in nodes])
    size = [4 * sum(prod(graph.shapes[n]) for n in live(i)) for i in range(len(nodes))]
    cuts: list[int] = []
    memory = 0
    for share in range(1, _SEGMENTS):
        low, high = (work[-1] * (share + d) / _SEGMENTS for d in (-0.4, 0.4))
        places = [i for i in range(1, len(nodes)) if low <= work[i - 1] < high]
        if not places:
            continue
        best = min(places, key=lambda i: size[i])
        if memory + size[best] * images <= _BYTES:
            cuts.append(best)
            memory += size[best] * images
    return cuts


def _work(graph: Graph, node: Node) -> int:
    elements = sum(prod(graph.shapes.get(name, ())) for name in node.outputs)
    return 8 * elements + (structure.operations(graph, node) if node.op == "Conv" else 0)
