"""The order of the steps, and what decides on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from time import process_time
from typing import Any, Protocol

from calibration.graph import Graph
from calibration.quant.observe.session import Session
from calibration.quant.plan import structure
from calibration.quant.search import float_layers, ranges_per_tensor, sensitivity
from calibration.quant.search.context import SearchContext
from calibration.quant.search.ranges import best_for_all, opinions
from calibration.quant.search.recipes import QAT, Learning, Recipe
from calibration.quant.search.weights import least_error
from calibration.quant.simulate.objective import Objective
from calibration.quant.spec.spec import QuantSpec
from edge.errors import CalibrationError

_ASKED = "kept float as asked"


class Choices(Protocol):
    """The part of the options that the steps need."""

    @property
    def float_budget(self) -> float:
        """See `Options`."""

    @property
    def keep_float(self) -> tuple[str, ...]:
        """See `Options`."""

    @property
    def qat(self) -> bool:
        """See `Options`."""

    @property
    def teacher(self) -> Graph | None:
        """See `Options`."""

    @property
    def seed(self) -> int:
        """See `Options`."""


def solve(
    context: SearchContext,
    spec: QuantSpec,
    recipe: Recipe,
    options: Choices,
    report: Callable[[str, int, int], None],
) -> tuple[QuantSpec, dict[str, Any]]:
    """The best spec that a recipe finds, and how it came about.

    Args:
        context: The network.
        spec: All that can be in INT8.
        recipe: Which steps to take.
        options: The user's.
        report: Is told of progress, by step.
    """
    run = _Run(context, report)
    method = QAT if options.qat else recipe.learning
    learns = method.steps > 0 and find_spec("torch") is not None
    named = run.telling("ranges")
    never = float_layers.refused(context)
    kept = dict.fromkeys(options.keep_float, _ASKED)
    spec = context.with_floats(spec, never | kept)
    candidates = opinions(named, recipe.observers)
    run.best = context.with_ranges(spec, candidates[recipe.observers[0]])
    run.loss = context.loss(run.best).total
    run.steps.append({"step": f"ranges: {recipe.observers[0]}", "objective": run.loss})
    chosen, by_observer = best_for_all(named, run.best, candidates)
    run.propose("ranges: best observer", chosen)
    # What is asked for or cannot be otherwise is outside the budget.
    budget = options.float_budget + float_layers.share(context, never | kept)
    cost: dict[str, float] = {}
    if recipe.tensors or recipe.float_layers:
        cost = sensitivity.alone(run.telling("sensitivity"), run.best)
    if recipe.float_layers:
        apart = float_layers.depthwise(context, run.best, cost, budget)
        if apart is not None:  # another observer may be best for what is left
            run.propose("floats: depthwise", best_for_all(context, apart, candidates)[0])
    run.propose("weights: least error", _least_error(context, run.best))
    if recipe.tensors:
        clipped = ranges_per_tensor.search(
            run.telling("clips"), run.best, candidates, cost, recipe.tensors
        )
        run.propose("clips", clipped)
    if recipe.float_layers and budget > float_layers.share(context, never | kept):
        for start in (float_layers.returned(context, run.best, never | kept), run.best):
            saved = sensitivity.without(run.telling("floats"), start)
            more = float_layers.greedy(run.telling("floats"), start, saved, budget)
            run.propose("floats", more)
            if more is run.best:
                break
        if recipe.tensors and not learns:  # learning goes on with all ranges at once
            again = ranges_per_tensor.search(
                run.telling("clips"), run.best, candidates, cost, recipe.tensors // 2
            )
            run.propose("clips again", again)
    if method.steps:
        _learning(run, method, options)
    spec = run.best
    return spec, {
        "target": context.target,
        "observers": by_observer,
        "sensitivity": cost,
        "steps": run.steps,
        "weights_only": context.loss(spec, "weights").total,
        "activations_only": context.loss(spec, "activations").total,
        "objective": run.loss,
        "float_share": float_layers.share(context, context.scheme(spec).float_layers),
        "operations": context.operations(),
    }


@dataclass(slots=True)
class _Run:
    """The best spec so far."""

    context: SearchContext
    report: Callable[[str, int, int], None]
    best: QuantSpec = field(init=False)
    loss: float = field(init=False)
    steps: list[dict[str, Any]] = field(default_factory=list)
    _since: float = field(default_factory=process_time)

    def telling(self, step: str) -> SearchContext:
        """The context, whose progress is told as that of a step."""
        return replace(self.context, progress=lambda done, total: self.report(step, done, total))

    def propose(self, step: str, spec: QuantSpec | None, teacher: Objective | None = None) -> None:
        """Take another spec if it is not worse; write down what became of it.

        Args:
            step: Its name.
            spec: None proposes nothing.
            teacher: Compares in place of the network's own float heads.
        """
        if spec is None:
            return
        loss = self.context.loss(spec).total
        accepted = spec is not self.best and loss <= self.loss
        if teacher is not None:
            before, after = (teacher(self.context.trial.outputs(s)) for s in (self.best, spec))
            accepted = spec is not self.best and after.total <= before.total
        if accepted:
            self.best, self.loss = spec, loss
        now = process_time()
        self.steps.append(
            {
                "step": step,
                "objective": loss,
                "accepted": accepted,
                "float_share": float_layers.share(
                    self.context, self.context.scheme(self.best).float_layers
                ),
                "cpu_seconds": round(now - self._since, 2),
            }
        )
        self._since = now


def _learning(run: _Run, method: Learning, options: Choices) -> None:
    """Learn if it can be done here; all other steps do without torch."""
    if find_spec("torch") is None:
        run.steps.append({"step": "learning", "skipped": "torch is not installed"})
        return
    from calibration.quant.learn.learn import learn

    context = run.telling("learning")
    try:
        learned = learn(context, run.best, method, options.seed, options.teacher)
    except CalibrationError as error:  # an operator that is not known in torch
        if options.qat or options.teacher is not None:
            raise
        run.steps.append({"step": "learning", "skipped": str(error)})
        return
    judge = None
    if options.teacher is not None:
        subset, session = context.inputs.take(context.held_out), Session(options.teacher)
        outputs = [session(subset.real(index)) for index in range(len(subset))]
        judge = Objective(subset, context.model, outputs)
    run.propose("learning", learned, judge)


def _least_error(context: SearchContext, spec: QuantSpec) -> QuantSpec:
    scheme = context.scheme(spec)
    layers = {
        node.name: least_error(context.graph, node)
        for node in structure.convolutions(context.graph)
        if node.name in scheme.layers
    }
    return context.with_scheme(spec, replace(scheme, layers=layers))
