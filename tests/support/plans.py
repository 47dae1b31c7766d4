"""Plans for tests: every convolution in INT8, ranges from the least and the greatest value."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import quant_references

from calibration.graph import Graph
from calibration.quant.plan.plan import Plan
from calibration.quant.plan.planning import plan
from calibration.quant.simulate.simulate import simulate
from calibration.quant.spec.spec import LayerSpec, QuantSpec, Scheme


def plan_of(
    graph: Graph, images: Sequence[np.ndarray], target: str, skip: Collection[str] = ()
) -> Plan:
    """A plan by minimum and maximum.

    Args:
        graph: Any.
        images: To calibrate on.
        target: Runtime.
        skip: Names of convolutions that stay float.
    """
    names = [name for node in graph.nodes for name in node.outputs if name]
    whole = graph.rebuilt(outputs=[name for name in names if graph.dtypes[name] == "float32"])
    ranges: dict[str, tuple[float, float]] = {}
    for image in images:
        known = {graph.inputs[0]: image, **quant_references.run(whole, image)}
        for name, values in known.items():
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = min(low, float(values.min())), max(high, float(values.max()))
    layers = {}
    for node in graph.nodes:
        if node.op == "Conv" and node.name not in skip:
            weight = np.abs(graph.constants[node.inputs[1]])
            largest = weight.reshape(len(weight), -1).max(1)
            scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
            layers[node.name] = LayerSpec(scales)
    scheme = Scheme(ranges, layers, dict.fromkeys(skip, "the test wants it"))
    return plan(graph, QuantSpec({"symmetric": scheme, "asymmetric": scheme}), target)


def simulated(graph: Graph, plan: Plan, image: np.ndarray) -> list[np.ndarray]:
    """The outputs of a plan, computed in floats."""
    return outputs(simulate(graph, plan), image)


def outputs(graph: Graph, image: np.ndarray) -> list[np.ndarray]:
    """The outputs of a graph, with nothing fused or folded on the way."""
    result = quant_references.run(graph, image)
    return [result[name] for name in graph.outputs]
