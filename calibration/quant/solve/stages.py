"""The stages of a calibration in their order: when each applies, and what it proposes.

A proposal is accepted only where the heads do not get further from the float ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from calibration.graph import Graph
from calibration.quant.observe.observers import OBSERVERS
from calibration.quant.observe.session import Session
from calibration.quant.options.options import Options
from calibration.quant.plan import structure
from calibration.quant.search import float_layers, ranges_per_tensor, sensitivity
from calibration.quant.search.context import SearchContext
from calibration.quant.search.ranges import best_for_all, opinions
from calibration.quant.search.weights import least_error
from calibration.quant.simulate.objective import Objective
from calibration.quant.solve.solution import Report, Solution
from calibration.quant.spec.spec import QuantSpec
from edge.errors import CalibrationError

_ASKED = "kept float as asked"


class SkippedError(Exception):
    """A stage applies and cannot be done here; says why."""


def _no_judge(_: Solution) -> None:
    """The network's own float heads are compared with."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step on the way to a spec.

    Attributes:
        name: As the facts of a calibration have it.
        applies: Whether it is to be taken.
        propose: Another spec, or None where it finds none. Raises SkippedError.
        judge: What compares the proposal with the best so far; None for the network's own heads.
    """

    name: str
    applies: Callable[[Solution], bool]
    propose: Callable[[Solution], QuantSpec | None]
    judge: Callable[[Solution], Objective | None] = _no_judge


def solve(
    context: SearchContext,
    spec: QuantSpec,
    options: Options,
    teacher: Graph | None,
    report: Report,
) -> tuple[QuantSpec, dict[str, Any]]:
    """The best spec that a recipe finds, and how it came about.

    Args:
        context: The network.
        spec: All that can be in INT8.
        options: The user's.
        teacher: Learned from in place of the network itself.
        report: Is told of progress, by step.
    """
    solution = _first(context, spec, options, teacher, report)
    for stage in STAGES:
        if not stage.applies(solution):
            continue
        try:
            proposal = stage.propose(solution)
        except SkippedError as why:
            solution.steps.append({"step": stage.name, "skipped": str(why)})
            continue
        if proposal is not None:
            solution.consider(stage.name, proposal, stage.judge(solution))
    best = solution.best
    return best, {
        "target": context.target,
        "observers": solution.by_observer,
        "sensitivity": solution.cost,
        "steps": solution.steps,
        "weights_only": context.loss(best, "weights").total,
        "activations_only": context.loss(best, "activations").total,
        "objective": solution.loss,
        "float_share": float_layers.share(context, context.scheme(best).float_layers),
        "operations": context.operations(),
    }


def _first(
    context: SearchContext,
    spec: QuantSpec,
    options: Options,
    teacher: Graph | None,
    report: Report,
) -> Solution:
    """All in INT8 that can be, in the ranges of the first observer."""
    always_float = float_layers.refused(context) | dict.fromkeys(options.keep_float, _ASKED)
    spec = context.with_floats(spec, always_float)
    solution = Solution(context, options, teacher, report, always_float, {}, spec, 0.0)
    observers = options.plan.observers or tuple(OBSERVERS)
    solution.candidates = opinions(solution.telling("ranges"), observers)
    solution.best = context.with_ranges(spec, solution.candidates[observers[0]])
    solution.loss = context.loss(solution.best).total
    solution.steps.append({"step": f"ranges: {observers[0]}", "objective": solution.loss})
    return solution


def _always(_: Solution) -> bool:
    return True


def _searches_ranges(solution: Solution) -> bool:
    return solution.recipe.tensors > 0


def _may_be_float(solution: Solution) -> bool:
    return solution.recipe.float_layers


def _asks_layers(solution: Solution) -> bool:
    return _searches_ranges(solution) or _may_be_float(solution)


def _more_may_be_float(solution: Solution) -> bool:
    return _may_be_float(solution) and solution.budget > solution.outside


def _was_refused(solution: Solution) -> bool:
    return _more_may_be_float(solution) and solution.last is not solution.best


def _is_not_learned(solution: Solution) -> bool:
    """Learning goes on with all ranges at once."""
    learns = solution.options.learning.steps > 0 and find_spec("torch") is not None
    return _more_may_be_float(solution) and _searches_ranges(solution) and not learns


def _learns(solution: Solution) -> bool:
    return solution.options.learning.steps > 0


def _best_observer(solution: Solution) -> QuantSpec:
    context = solution.telling("ranges")
    spec, solution.by_observer = best_for_all(context, solution.best, solution.candidates)
    return spec


def _sensitivity(solution: Solution) -> None:
    """Proposes nothing; the stages behind it need to know what costs most."""
    solution.cost = sensitivity.alone(solution.telling("sensitivity"), solution.best)


def _depthwise(solution: Solution) -> QuantSpec | None:
    context = solution.context
    apart = float_layers.depthwise(context, solution.best, solution.cost, solution.budget)
    if apart is None:
        return None
    return best_for_all(context, apart, solution.candidates)[0]  # of what is left


def _least_error(solution: Solution) -> QuantSpec:
    context, spec = solution.context, solution.best
    scheme = context.scheme(spec)
    layers = {
        node.name: least_error(context.graph, node)
        for node in structure.convolutions(context.graph)
        if node.name in scheme.layers
    }
    return context.with_scheme(spec, replace(scheme, layers=layers))


def _clips(solution: Solution, tensors: int) -> QuantSpec:
    return ranges_per_tensor.search(
        solution.telling("clips"), solution.best, solution.candidates, solution.cost, tensors
    )


def _floats(solution: Solution, start: QuantSpec) -> QuantSpec:
    context = solution.telling("floats")
    saved = sensitivity.without(context, start)
    return float_layers.greedy(context, start, saved, solution.budget)


def _floats_again(solution: Solution) -> QuantSpec:
    """Chosen from all layers, those too that are float so far."""
    start = float_layers.returned(solution.context, solution.best, solution.always_float)
    return _floats(solution, start)


def _learned(solution: Solution) -> QuantSpec:
    """All other stages do without torch."""
    if find_spec("torch") is None:
        raise SkippedError("torch is not installed")
    from calibration.quant.learn.learn import learn

    options, teacher = solution.options, solution.teacher
    context = solution.telling("learning")
    try:
        return learn(context, solution.best, options.learning, options.seed, teacher)
    except CalibrationError as error:  # an operator that is not known in torch
        if options.qat or teacher is not None:
            raise
        raise SkippedError(str(error)) from error


def _teachers_heads(solution: Solution) -> Objective | None:
    if solution.teacher is None:
        return None
    context = solution.context
    subset, session = context.inputs.take(context.held_out), Session(solution.teacher)
    outputs = [session(subset.real(index)) for index in range(len(subset))]
    return Objective(subset, context.model, outputs)


STAGES = (
    Stage("ranges: best observer", _always, _best_observer),
    Stage("sensitivity", _asks_layers, _sensitivity),
    Stage("floats: depthwise", _may_be_float, _depthwise),
    Stage("weights: least error", _always, _least_error),
    Stage("clips", _searches_ranges, lambda s: _clips(s, s.recipe.tensors)),
    Stage("floats", _more_may_be_float, _floats_again),
    Stage("floats", _was_refused, lambda s: _floats(s, s.best)),
    Stage("clips again", _is_not_learned, lambda s: _clips(s, s.recipe.tensors // 2)),
    Stage("learning", _learns, _learned, _teachers_heads),
)
