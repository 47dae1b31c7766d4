"""Layers that stay float: those that cost most for what they compute, within a budget."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from calibration.quant.plan import structure
from calibration.quant.search.context import SearchContext
from calibration.quant.spec.spec import QuantSpec

_WORTH = 0.01  # of the objective: what a layer in float must save
_LENT = 0.1  # of the objective: what layers that return to INT8 may cost together
_TRIES = 40


def refused(context: SearchContext) -> dict[str, str]:
    """The convolutions that are never INT8 in this runtime, by name: why."""
    reasons = {
        node.name: structure.refusal(context.graph, node, context.rules)
        for node in structure.convolutions(context.graph)
    }
    return {name: reason for name, reason in reasons.items() if reason}


def share(context: SearchContext, float_layers: Mapping[str, str]) -> float:
    """The share of the multiply-accumulates that float layers take."""
    work = context.operations()
    return sum(work[name] for name in float_layers) / max(sum(work.values()), 1)


def depthwise(
    context: SearchContext, spec: QuantSpec, cost: Mapping[str, float], budget: float
) -> QuantSpec | None:
    """The spec with the depthwise layers float, as many as the budget allows; None without any.

    One scale for a tensor whose channels differ by orders of magnitude suits them badly, and they
    are cheap. Alone each may save little while others spoil the same tensors, so that a search
    that goes layer by layer does not find them.

    Args:
        context: Tells the work of each layer.
        spec: Where to start.
        cost: What each layer alone in INT8 costs: those that cost most for their work come first.
        budget: The greatest share of the multiply-accumulates that may be float.
    """
    layers, work = set(context.layers(spec)), context.operations()
    names = [
        node.name
        for node in structure.convolutions(context.graph)
        if node.name in layers and structure.is_depthwise(context.graph, node)
    ]
    float_layers = dict(context.scheme(spec).float_layers)
    before = len(float_layers)
    for name in sorted(names, key=lambda name: -cost.get(name, 0.0) / max(work[name], 1)):
        more = {
            **float_layers,
            name: "depthwise: cheap, and its channels differ too much for one scale",
        }
        if share(context, more) <= budget:
            float_layers = more
    return context.with_floats(spec, float_layers) if len(float_layers) > before else None


def greedy(
    context: SearchContext, spec: QuantSpec, saved: Mapping[str, float], budget: float
) -> QuantSpec:
    """The spec with more float layers, each worth it when it was its turn.

    Args:
        context: Tells the objective.
        spec: Where to start.
        saved: What the objective falls by with each layer in float, see `sensitivity.without`.
        budget: The greatest share of the multiply-accumulates that may be float.
    """
    best = context.objective(context.trial.set_baseline(spec)).total
    order = list(_by_worth(context, saved))[:_TRIES]
    for number, name in enumerate(order):
        scheme = context.scheme(spec)
        float_layers = {
            **scheme.float_layers,
            name: f"saves {saved[name] / best:.0%} of the objective",
        }
        if share(context, float_layers) <= budget:
            tried = context.with_floats(spec, float_layers)
            loss = context.loss(tried).total
            if best - loss > _WORTH * best:
                spec, best = tried, context.objective(context.trial.set_baseline(tried)).total
        context.progress(number + 1, len(order))
    return spec


def returned(context: SearchContext, spec: QuantSpec, fixed: Collection[str]) -> QuantSpec:
    """The spec with fewer float layers: without those that hardly serve, the largest first.

    Each may cost less than what a float layer must save, and all together a tenth of the
    objective, which others that take their place are to win back.

    Args:
        context: Tells the objective.
        spec: Where to start.
        fixed: The layers that stay float.
    """
    best = context.objective(context.trial.set_baseline(spec)).total
    limit = (1 + _LENT) * best
    work = context.operations()
    chosen = [name for name in context.scheme(spec).float_layers if name not in fixed]
    for name in sorted(chosen, key=lambda name: -work[name]):
        float_layers = {n: why for n, why in context.scheme(spec).float_layers.items() if n != name}
        tried = context.with_floats(spec, float_layers)
        loss = context.loss(tried).total
        if loss < min((1 + _WORTH) * best, limit):
            spec, best = tried, context.objective(context.trial.set_baseline(tried)).total
    return spec


def _by_worth(context: SearchContext, saved: Mapping[str, float]) -> Iterator[str]:
    """The layers that saved anything, most for its cost first."""
    work = context.operations()
    for name in sorted(saved, key=lambda name: -saved[name] / max(work[name], 1)):
        if saved[name] > 0:
            yield name
