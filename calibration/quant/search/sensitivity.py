"""Which layers cost most: each alone in INT8, and each alone in float."""

from __future__ import annotations

from calibration.quant.search.context import SearchContext
from calibration.quant.spec.spec import QuantSpec


def alone(context: SearchContext, spec: QuantSpec) -> dict[str, float]:
    """The objective with one layer in INT8 and all others in float, by layer."""
    context.trial.set_baseline(None)
    names = context.layers(spec)
    float_layers = dict(context.scheme(spec).float_layers)
    results = {}
    for number, name in enumerate(names):
        others = float_layers | {other: "" for other in names if other != name}
        results[name] = context.loss(context.with_floats(spec, others)).total
        context.progress(number + 1, len(names))
    return results


def without(context: SearchContext, spec: QuantSpec) -> dict[str, float]:
    """How much the objective falls when one more layer is float, by layer."""
    base = context.objective(context.trial.set_baseline(spec)).total
    names = context.layers(spec)
    float_layers = dict(context.scheme(spec).float_layers)
    results = {}
    for number, name in enumerate(names):
        changed = context.with_floats(spec, float_layers | {name: ""})
        results[name] = base - context.loss(changed).total
        context.progress(number + 1, len(names))
    return results
