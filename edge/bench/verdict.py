"""Whether measurements may be believed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from edge.board import State

SPREAD = 0.10  # of the median latency, between the slowest and the fastest repetition
OTHERS = 0.20  # cores: what a quiet desktop takes stays below it


def reasons(
    latencies: Sequence[float],
    states: Sequence[tuple[State, State]],
    others: Sequence[float | None],
) -> tuple[str, ...]:
    """Why the numbers of a configuration must not be believed; empty where they may.

    Args:
        latencies: Median latency of each repetition, in any unit.
        states: The machine before and after each.
        others: Cores that other programs kept busy during each.
    """
    doubts = []
    limits = sorted({limit for before, after in states for limit in held_back(before, after)})
    if limits:
        doubts.append(f"the machine was held back: {', '.join(limits)}")
    busiest = max((value for value in others if value is not None), default=0.0)
    if busiest > OTHERS:
        doubts.append(f"other programs kept {busiest:.1f} cores busy")
    spread = (max(latencies) - min(latencies)) / statistics.median(latencies)
    if spread > SPREAD:
        doubts.append(f"repetitions differ by {spread:.0%} in latency, above {SPREAD:.0%}")
    return tuple(doubts)


def held_back(before: State, after: State) -> set[str]:
    """What held the machine back between two moments."""
    limits = {*before.limits, *after.limits, *(set(after.past_limits) - set(before.past_limits))}
    counts = (before.throttle_count, after.throttle_count)
    if counts[0] is not None and counts[1] is not None and counts[1] > counts[0]:
        limits.add("throttled")
    return limits
