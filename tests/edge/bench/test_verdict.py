from __future__ import annotations

import pytest
from measured import state

from edge.bench.verdict import held_back, reasons

QUIET = [(state(), state())] * 3
ALONE = [0.0, 0.1, None]
STEADY = [10.0, 10.1, 10.2]


def test_a_quiet_steady_cool_machine_is_believed():
    assert reasons(STEADY, QUIET, ALONE) == ()


@pytest.mark.parametrize("limit", ["throttled", "undervoltage"])
@pytest.mark.parametrize("moment", [0, 1])
def test_a_limit_at_either_end_is_named(limit, moment):
    states = list(QUIET)
    states[1] = tuple(state(limits=(limit,) if k == moment else ()) for k in range(2))
    assert reasons(STEADY, states, ALONE) == (f"the machine was held back: {limit}",)


def test_a_limit_that_came_and_went_meanwhile_is_found():
    before, after = state(), state(past_limits=("throttled",))
    assert held_back(before, after) == {"throttled"}


def test_a_limit_from_before_the_run_does_not_count():
    then = state(past_limits=("undervoltage",))
    assert held_back(then, then) == set()


@pytest.mark.parametrize(("before", "after", "result"), [(3, 4, {"throttled"}), (3, 3, set())])
def test_counted_events_count_when_they_rise(before, after, result):
    assert held_back(state(throttle_count=before), state(throttle_count=after)) == result


def test_work_of_others_is_found_in_any_repetition():
    (reason,) = reasons(STEADY, QUIET, [0.0, 1.5, 0.0])
    assert reason == "other programs kept 1.5 cores busy"


def test_a_wide_spread_is_found():
    (reason,) = reasons([10.0, 10.0, 12.0], QUIET, ALONE)
    assert reason == "repetitions differ by 20% in latency, above 10%"


def test_every_reason_is_given():
    hot = [(state(limits=("throttled",)), state())] * 3
    assert len(reasons([1.0, 2.0, 3.0], hot, [2.0] * 3)) == 3
