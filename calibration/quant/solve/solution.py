"""The best spec so far, and how it came about: what the stages of a calibration work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import process_time
from typing import Any

from calibration.graph import Graph
from calibration.quant.options.options import Options
from calibration.quant.options.recipes import Recipe
from calibration.quant.search import float_layers
from calibration.quant.search.context import SearchContext
from calibration.quant.search.ranges import CandidateRanges
from calibration.quant.simulate.objective import Objective
from calibration.quant.spec.spec import QuantSpec

Report = Callable[[str, int, int], None]  # stage, done, total


@dataclass(slots=True)
class Solution:
    """One scheme's, while it is sought.

    Attributes:
        context: The network.
        options: The user's.
        teacher: Learned from in place of the network itself.
        report: Is told of progress, by step.
        always_float: Convolutions that cannot be INT8 or are asked to be float, by name: why.
            They are outside the budget.
        candidates: What observers say of each tensor.
        best: The best spec.
        loss: Its objective.
        last: What was proposed last.
        by_observer: The objective by observer.
        cost: The objective with one layer alone in INT8; empty while that was not tried.
        steps: What became of every proposal.
    """

    context: SearchContext
    options: Options
    teacher: Graph | None
    report: Report
    always_float: Mapping[str, str]
    candidates: CandidateRanges
    best: QuantSpec
    loss: float
    last: QuantSpec | None = None
    by_observer: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    _since: float = field(default_factory=process_time)

    @property
    def recipe(self) -> Recipe:
        """What may be tried."""
        return self.options.plan

    @property
    def budget(self) -> float:
        """The greatest share of the multiply-accumulates that may be float in all."""
        return self.options.float_budget + self.outside

    @property
    def outside(self) -> float:
        """The share that is float whatever the budget is."""
        return float_layers.share(self.context, self.always_float)

    def telling(self, step: str) -> SearchContext:
        """The context, whose progress is told as that of a step."""
        return replace(self.context, progress=lambda done, total: self.report(step, done, total))

    def consider(self, step: str, spec: QuantSpec, judge: Objective | None) -> None:
        """Take another spec if it is not worse; write down what became of it.

        Args:
            step: Its name.
            spec: The other one.
            judge: Compares in place of the network's own float heads.
        """
        loss = self.context.loss(spec).total
        accepted = spec is not self.best and loss <= self.loss
        if judge is not None:
            before, after = (judge(self.context.trial.outputs(s)) for s in (self.best, spec))
            accepted = spec is not self.best and after.total <= before.total
        self.last = spec
        if accepted:
            self.best, self.loss = spec, loss
        now = process_time()
        float_now = self.context.scheme(self.best).float_layers
        self.steps.append(
            {
                "step": step,
                "objective": loss,
                "accepted": accepted,
                "float_share": float_layers.share(self.context, float_now),
                "cpu_seconds": round(now - self._since, 2),
            }
        )
        self._since = now
