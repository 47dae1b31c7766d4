"""What every step of a recipe works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from calibration.graph import Graph
from calibration.quant.observe.histograms import Histogram
from calibration.quant.observe.inputs import Inputs
from calibration.quant.plan import structure
from calibration.quant.simulate.incremental import IncrementalSimulator, Rounds
from calibration.quant.simulate.objective import Loss, Objective
from calibration.quant.spec.spec import QuantSpec, Range, Scheme
from calibration.runtimes import Runtime, runtime
from edge.models.base import ModelSpec


@dataclass(frozen=True, slots=True, eq=False)
class SearchContext:
    """A network to quantize, and how to tell whether a spec is good.

    Attributes:
        graph: Prepared, and equalized as the specs to try say.
        model: Says what its outputs are.
        target: Whose INT8 is tried; stands for all runtimes of its scheme.
        inputs: All images.
        histograms: The values of every tensor that may be quantized.
        trial: Runs specs.
        objective: Compares their outputs with the float ones.
        held_out: Which of the images the objective is computed on.
        progress: Is told how much of a step is done, of how much.
    """

    graph: Graph
    model: ModelSpec
    target: str
    inputs: Inputs
    histograms: Mapping[str, Histogram]
    trial: IncrementalSimulator
    objective: Objective
    held_out: Sequence[int]
    progress: Callable[[int, int], None]

    @property
    def rules(self) -> Runtime:
        """What is to be known of the target."""
        return runtime(self.target)

    def scheme(self, spec: QuantSpec) -> Scheme:
        """The part of a spec that is sought."""
        return spec.scheme(self.rules.scheme)

    def with_scheme(self, spec: QuantSpec, scheme: Scheme) -> QuantSpec:
        """The spec with another such part."""
        schemes = {**spec.schemes, self.rules.scheme: scheme}
        return replace(spec, schemes=MappingProxyType(schemes))

    def with_ranges(self, spec: QuantSpec, ranges: Mapping[str, Range]) -> QuantSpec:
        """The spec with some other ranges."""
        scheme = self.scheme(spec)
        return self.with_scheme(spec, replace(scheme, ranges={**scheme.ranges, **ranges}))

    def with_floats(self, spec: QuantSpec, float_layers: Mapping[str, str]) -> QuantSpec:
        """The spec with these convolutions float, by name: why."""
        return self.with_scheme(spec, replace(self.scheme(spec), float_layers=float_layers))

    def loss(self, spec: QuantSpec, rounds: Rounds = "all") -> Loss:
        """How far the heads are from the float ones."""
        return self.objective(self.trial.outputs(spec, rounds))

    def layers(self, spec: QuantSpec) -> list[str]:
        """The convolutions that are INT8, in the graph's order."""
        scheme = self.scheme(spec)
        return [
            node.name
            for node in structure.convolutions(self.graph)
            if node.name in scheme.layers and node.name not in scheme.float_layers
        ]

    def operations(self) -> dict[str, int]:
        """The multiply-accumulates of every convolution, by name."""
        return {
            node.name: structure.operations(self.graph, node)
            for node in structure.convolutions(self.graph)
        }
