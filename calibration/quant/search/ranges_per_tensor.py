"""Ranges by search: one tensor after another, as the network's heads like it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from calibration.graph import Node
from calibration.quant.plan import structure
from calibration.quant.plan.planning import plan
from calibration.quant.search.context import SearchContext
from calibration.quant.search.ranges import CandidateRanges
from calibration.quant.spec.spec import QuantSpec, Range

_FACTORS = (0.6, 0.75, 0.87, 1.15, 1.35)
_SIDES = (0.7, 1.3)  # of one side alone, where the other is another
_WORTH = 0.002  # of the objective: less is noise
_SAME = 0.03  # of the extent: ranges that differ by less are one


def search(
    context: SearchContext,
    spec: QuantSpec,
    candidates: CandidateRanges,
    cost: Mapping[str, float],
    limit: int,
) -> QuantSpec:
    """The spec with better ranges of the tensors that matter, by coordinate descent.

    Args:
        context: Tells the objective.
        spec: Where to start.
        candidates: Ranges to try, by observer.
        cost: What each layer alone in INT8 costs; tensors are tried by what their readers cost.
        limit: How many tensors, or groups with the same parameters, are tried.
    """
    best = context.objective(context.trial.set_baseline(spec)).total
    variables = _variables(context, spec, cost)[:limit]
    for number, names in enumerate(variables):
        chosen, better = None, best * (1 - _WORTH)
        for range_ in _candidates(
            context, context.scheme(spec).ranges[names[0]], names, candidates
        ):
            tried = context.with_ranges(spec, dict.fromkeys(names, range_))
            loss = context.loss(tried).total
            if loss < better:
                chosen, better = tried, loss
        if chosen is not None:
            spec, best = chosen, better
            context.trial.set_baseline(spec)
        context.progress(number + 1, len(variables))
    return spec


def _variables(
    context: SearchContext, spec: QuantSpec, cost: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """The tensors whose range can be chosen, grouped by parameters, costliest first."""
    graph = context.graph
    shared = structure.groups(graph, context.rules)
    ranges = context.scheme(spec).ranges
    results: dict[tuple[str, ...], float] = {}
    for tensor in plan(graph, spec, context.target).tensors:
        names = tuple(n for n in shared.get(tensor, (tensor,)) if n in ranges)
        if not set(names) & set(graph.inputs):
            results[names] = sum(
                max(cost.get(node.name, 0.0), 0.0)
                for name in names
                for node in (*graph.consumers.get(name, ()), *_producers(context, name))
            )
    return sorted(results, key=lambda names: -results[names])


def _producers(context: SearchContext, tensor: str) -> Sequence[Node]:
    """The layer that a tensor is the result of, where it is kept as codes."""
    node = context.graph.producers.get(tensor)
    if node is None or not context.rules.stores:
        return ()
    if node.op in context.rules.fused:
        node = context.graph.producers.get(node.inputs[0])
    return () if node is None else (node,)


def _candidates(
    context: SearchContext, now: Range, names: tuple[str, ...], candidates: CandidateRanges
) -> Iterator[Range]:
    low, high = now
    ranges = [ranges[names[0]] for ranges in candidates.values() if names[0] in ranges]
    ranges += [(low * factor, high * factor) for factor in _FACTORS]
    if not context.rules.symmetric and low < 0 < high:
        ranges += [(low * factor, high) for factor in _SIDES]
        ranges += [(low, high * factor) for factor in _SIDES]
    known = [now]
    for range_ in ranges:
        if not any(_is_same(range_, other, context.rules.symmetric) for other in known):
            known.append(range_)
            yield range_


def _is_same(one: Range, other: Range, symmetric: bool) -> bool:
    if symmetric:
        ends = [(max(-one[0], one[1]), max(-other[0], other[1]))]
    else:
        ends = list(zip(one, other, strict=True))
    extent = max(other[1] - other[0], 1e-12)
    return all(abs(a - b) <= _SAME * extent for a, b in ends)
