"""Whether to equalise: the heads say, with every tensor's range as it was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from calibration.graph import Graph
from calibration.quant.equalise import balance, equalised
from calibration.quant.inputs import Inputs
from calibration.quant.observe import observe
from calibration.quant.observers import OBSERVERS
from calibration.quant.recipe import floats
from calibration.quant.recipe.pose import everything, pose, ranged
from edge.models.base import ModelSpec
from edge.types import Float32Array

_WORTH = 0.03  # of the objective: less is noise


def chosen(
    graph: Graph, model: ModelSpec, few: Inputs, schemes: Iterable[str]
) -> tuple[Mapping[str, Float32Array], dict[str, float]]:
    """The factors to equalise by, none where that brings nothing; and what the objective is.

    Args:
        graph: Prepared.
        model: Says what its outputs are.
        few: Pictures that judge.
        schemes: The kinds of grid that count, each as much.

    Returns:
        By tensor, see `equalise.equalised`; and the objective "as it is" and "equalised", empty
        where no tensor can be.
    """
    factors = balance(graph, few)
    if not factors:
        return {}, {}
    tried = {"as it is": graph, "equalised": equalised(graph, factors)}
    losses = {
        name: sum(_loss(each, model, few, scheme) for scheme in schemes)
        for name, each in tried.items()
    }
    accepted = losses["equalised"] < (1 - _WORTH) * losses["as it is"]
    return factors if accepted else {}, losses


def _loss(graph: Graph, model: ModelSpec, few: Inputs, scheme: str) -> float:
    spec = everything(graph, few, scheme)
    seen = observe(graph, few, ranged(spec))
    problem = pose(graph, model, few, seen, spec, len(few))
    ranges = {
        tensor: OBSERVERS["min-max"](values, symmetric=problem.policy.symmetric)
        for tensor, values in seen.items()
        if tensor not in graph.inputs
    }
    rounded = problem.with_ranges(problem.with_floats(spec, floats.refused(problem)), ranges)
    return problem.loss(rounded).total
