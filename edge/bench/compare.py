"""Whether a new report is worse than an earlier one, beyond the noise of both."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from edge.bench.report import METRICS, Report, Run

LEAST = 0.02  # a change below this is none: processes differ by that in where their memory lies


@dataclass(frozen=True, slots=True)
class Change:
    """One number of one configuration, then and now.

    Attributes:
        key: Of the configuration.
        label: Of the number.
        unit: Of both values.
        before: Median over the repetitions.
        after: Median over the repetitions.
        noise: What the repetitions of both differ among themselves, in the unit.
        worse: Whether it is a regression beyond the noise.
        better: Whether it is an improvement beyond the noise.
    """

    key: str
    label: str
    unit: str
    before: float
    after: float
    noise: float
    worse: bool
    better: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of the configurations that both reports have.

    Attributes:
        changes: Every number of every configuration.
        refused: Configurations that cannot be compared, with the reason.
    """

    changes: tuple[Change, ...]
    refused: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything could be compared and nothing got worse."""
        return not self.refused and not any(change.worse for change in self.changes)


def compare(before: Report, after: Report) -> Comparison:
    """Compare the configurations of a new report with those of an earlier one.

    A number has changed when the medians differ by more than the repetitions of both reports
    differ among themselves, and by at least `LEAST` of the earlier one.

    Raises:
        ValueError: They are of different machines, or have no configuration in common.
    """
    machines = [(r.board.model, r.board.cpu, r.board.cores) for r in (before, after)]
    if machines[0] != machines[1]:
        raise ValueError(f"reports of different machines: {machines[0]} and {machines[1]}")
    earlier = {run.key: run for run in before.runs}
    pairs = [(earlier[run.key], run) for run in after.runs if run.key in earlier]
    if not pairs:
        there = "; ".join(earlier) or "none"
        raise ValueError(f"no configuration in common with the earlier report, which has: {there}")
    changes: list[Change] = []
    refused: list[str] = []
    for old, new in pairs:
        invalid = [
            f"{new.key}: the {name} run is invalid: {'; '.join(run.invalid)}"
            for name, run in (("earlier", old), ("new", new))
            if run.invalid
        ]
        refused += invalid
        if not invalid:
            changes += _changes(old, new)
    return Comparison(tuple(changes), tuple(refused))


def _changes(old: Run, new: Run) -> list[Change]:
    changes = [
        _change(new.key, metric.label, metric.unit, old.values(name), new.values(name),
                more_is_better=metric.more_is_better)
        for name, metric in METRICS.items()
    ]  # fmt: skip
    sizes = ([old.model_bytes / 1e6], [new.model_bytes / 1e6])
    return [*changes, _change(new.key, "model size", "MB", *sizes, more_is_better=False)]


def _change(
    key: str,
    label: str,
    unit: str,
    old: Sequence[float],
    new: Sequence[float],
    *,
    more_is_better: bool,
) -> Change:
    before, after = statistics.median(old), statistics.median(new)
    noise = (max(old) - min(old)) + (max(new) - min(new))
    rise = after - before
    changed = abs(rise) > max(noise, LEAST * before)
    up = rise > 0
    return Change(
        key, label, unit, before, after, noise,
        worse=changed and up is not more_is_better,
        better=changed and up is more_is_better,
    )  # fmt: skip
