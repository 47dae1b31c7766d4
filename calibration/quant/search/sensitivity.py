"""Which layers cost most: each alone in INT8, and each alone in float."""

from __future__ import annotations

from calibration.quant.search.context import SearchContext
from calibration.quant.spec.spec import QuantSpec


def alone(problem: SearchContext, spec: QuantSpec) -> dict[str, float]:
    """The objective with one layer in INT8 and all others in float, by layer."""
    problem.trial.set_baseline(None)
    names = problem.layers(spec)
    float_layers = dict(problem.scheme(spec).float_layers)
    results = {}
    for number, name in enumerate(names):
        others = float_layers | {other: "" for other in names if other != name}
        results[name] = problem.loss(problem.with_floats(spec, others)).total
        problem.progress(number + 1, len(names))
    return results


def without(problem: SearchContext, spec: QuantSpec) -> dict[str, float]:
    """How much the objective falls when one more layer is float, by layer."""
    base = problem.objective(problem.trial.set_baseline(spec)).total
    names = problem.layers(spec)
    float_layers = dict(problem.scheme(spec).float_layers)
    results = {}
    for number, name in enumerate(names):
        changed = problem.with_floats(spec, float_layers | {name: ""})
        results[name] = base - problem.loss(changed).total
        problem.progress(number + 1, len(names))
    return results
