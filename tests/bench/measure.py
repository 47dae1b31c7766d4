"""How time is taken: one process, one thread, paired rounds.

Every round takes one input and runs all peers on it in a random order, so that a slow moment of
the machine meets all of them alike. Compared is the median over the rounds of (peer / ours).
CPU time, not wall time. Two states of the cache: warm (the same call right before), or evicted
(12 MB of other memory read right before, as after a network's run).
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Call = Callable[[], object]

_EVICT = np.ones(12 * 1024 * 1024 // 8)  # written, else all of it is one page of zeros


@dataclass(frozen=True, slots=True)
class Comparison:
    """One job and everybody's time for it.

    Attributes:
        job: What was done.
        cache: "warm" or "evicted".
        micros: Name to median CPU time of one call, in microseconds.
        ratios: Name to median of (its time / ours), per round.
    """

    job: str
    cache: str
    micros: dict[str, float]
    ratios: dict[str, float]


def _timed(call: Call, cache: str, repeat: int) -> float:
    if cache == "warm":
        call()
        start = time.thread_time_ns()
        for _ in range(repeat):
            call()
        return (time.thread_time_ns() - start) / repeat
    total = 0
    for _ in range(repeat):
        _EVICT.sum()
        start = time.thread_time_ns()
        call()
        total += time.thread_time_ns() - start
    return total / repeat


def compare(
    job: str, cases: Sequence[Mapping[str, Call]], *, cache: str = "warm", rounds: int = 60,
    seed: int = 0,
) -> Comparison:  # fmt: skip
    """Times every call of `cases` (one mapping per input, the same names in all, "edge" first)."""
    order = random.Random(seed)
    times: dict[str, list[float]] = {name: [] for name in cases[0]}
    for case in cases:  # warm-up, and how long one call takes
        for call in case.values():
            call()
    quick = _timed(cases[0]["edge"], cache, 5)
    repeat = max(1, min(50, int(200_000 / max(quick, 1)))) if cache == "warm" else 3
    for round_ in range(rounds):
        case = cases[round_ % len(cases)]
        names = list(case)
        order.shuffle(names)
        for name in names:
            slow = name != "edge" and times[name] and times[name][-1] > 5e6
            times[name].append(_timed(case[name], cache, 1 if slow else repeat))
    ours = times["edge"]
    return Comparison(
        job,
        cache,
        {name: statistics.median(values) / 1e3 for name, values in times.items()},
        {
            name: statistics.median(t / o for t, o in zip(values, ours, strict=True))
            for name, values in times.items()
            if name != "edge"
        },
    )
