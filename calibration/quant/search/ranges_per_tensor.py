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
_ALIKE = 0.03  # ranges that differ by less are one


def search(
    problem: SearchContext,
    spec: QuantSpec,
    candidates: CandidateRanges,
    cost: Mapping[str, float],
    limit: int,
) -> QuantSpec:
    """The spec with better ranges of the tensors that matter, by coordinate descent.

    Args:
        problem: Tells the objective.
        spec: Where to start.
        candidates: Ranges to try, by observer.
        cost: What each layer alone in INT8 costs; tensors are tried by what their readers cost.
        limit: How many tensors, or groups with one grid, are tried.
    """
    best = problem.objective(problem.trial.set_baseline(spec)).total
    variables = _variables(problem, spec, cost)[:limit]
    for number, names in enumerate(variables):
        result, better = None, best * (1 - _WORTH)
        for range_ in _candidates(
            problem, problem.scheme(spec).ranges[names[0]], names, candidates
        ):
            tried = problem.with_ranges(spec, dict.fromkeys(names, range_))
            loss = problem.loss(tried).total
            if loss < better:
                result, better = tried, loss
        if result is not None:
            spec, best = result, better
            problem.trial.set_baseline(spec)
        problem.progress(number + 1, len(variables))
    return spec


def _variables(
    problem: SearchContext, spec: QuantSpec, cost: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """The tensors that can be given a range, those with one grid together, costliest first."""
    graph = problem.graph
    shared = structure.groups(graph, problem.policy)
    ranges = problem.scheme(spec).ranges
    results: dict[tuple[str, ...], float] = {}
    for tensor in plan(graph, spec, problem.target).tensors:
        names = tuple(n for n in shared.get(tensor, (tensor,)) if n in ranges)
        if not set(names) & set(graph.inputs):
            results[names] = sum(
                max(cost.get(node.name, 0.0), 0.0)
                for name in names
                for node in (*graph.consumers.get(name, ()), *_makers(problem, name))
            )
    return sorted(results, key=lambda names: -results[names])


def _makers(problem: SearchContext, tensor: str) -> Sequence[Node]:
    """The layer that a tensor is the result of, where it is kept as codes."""
    node = problem.graph.producers.get(tensor)
    if node is None or not problem.policy.stores:
        return ()
    if node.op in problem.policy.fused:
        node = problem.graph.producers.get(node.inputs[0])
    return () if node is None else (node,)


def _candidates(
    problem: SearchContext, now: Range, names: tuple[str, ...], candidates: CandidateRanges
) -> Iterator[Range]:
    low, high = now
    ranges = [ranges[names[0]] for ranges in candidates.values() if names[0] in ranges]
    ranges += [(low * factor, high * factor) for factor in _FACTORS]
    if not problem.policy.symmetric and low < 0 < high:
        ranges += [(low * factor, high) for factor in _SIDES]
        ranges += [(low, high * factor) for factor in _SIDES]
    known = [now]
    for range_ in ranges:
        if not any(_alike(range_, other, problem.policy.symmetric) for other in known):
            known.append(range_)
            yield range_


def _alike(one: Range, other: Range, symmetric: bool) -> bool:
    if symmetric:
        ends = [(max(-one[0], one[1]), max(-other[0], other[1]))]
    else:
        ends = list(zip(one, other, strict=True))
    max_abs = max(other[1] - other[0], 1e-12)
    return all(abs(a - b) <= _ALIKE * max_abs for a, b in ends)
