from __future__ import annotations

from dataclasses import replace

import pytest
from measured import report, run

from edge.bench.compare import compare

STEADY = (0.0100, 0.0101, 0.0102)


def labels(comparison, kind):
    return {change.label for change in comparison.changes if getattr(change, kind)}


def test_equal_reports_show_no_change():
    result = compare(report(), report())
    assert result.passed
    assert not labels(result, "worse") | labels(result, "better")


def test_a_slower_run_is_a_regression():
    result = compare(report(run(STEADY)), report(run([1.2 * s for s in STEADY])))
    assert not result.passed
    assert {"latency p50", "throughput", "CPU per frame", "frame age p99"} <= labels(
        result, "worse"
    )
    assert not labels(result, "better")


def test_a_faster_run_passes_and_says_so():
    result = compare(report(run(STEADY)), report(run([0.8 * s for s in STEADY])))
    assert result.passed
    assert {"latency p50", "throughput"} <= labels(result, "better")


def test_a_change_within_the_noise_of_both_is_none():
    noisy = (0.0100, 0.0104, 0.0108)
    result = compare(report(run(noisy)), report(run([s + 0.0010 for s in noisy])))
    assert result.passed
    assert "latency p50" not in labels(result, "worse")


def test_a_change_of_one_percent_is_none_even_without_noise():
    assert compare(report(run([0.01] * 3)), report(run([0.0101] * 3))).passed
    assert not compare(report(run([0.01] * 3)), report(run([0.0103] * 3))).passed


def test_a_bigger_model_is_a_regression():
    result = compare(report(run()), report(run(model_bytes=1_200_000)))
    assert labels(result, "worse") == {"model size"}


def test_only_configurations_in_common_are_compared():
    result = compare(report(run(), run(threads=1)), report(run(threads=1), run(threads=2)))
    assert {change.key for change in result.changes} == {"ncnn fp32 320x320 1 thread"}


def test_an_invalid_run_cannot_pass():
    wild = run((0.010, 0.015, 0.020))
    for pair in ((report(wild), report()), (report(), report(wild))):
        result = compare(*pair)
        assert not result.passed
        assert "invalid: repetitions differ" in result.refused[0]


def test_a_failed_run_cannot_pass():
    result = compare(report(), report(run(repetitions=(), error="killed by SIGILL")))
    assert not result.passed
    assert "killed by SIGILL" in result.refused[0]


def test_other_machines_and_other_configurations_are_refused():
    with pytest.raises(ValueError, match=r"different machines: .*Pi 5.*Pi 4"):
        compare(report(), report(model="Raspberry Pi 4 Model B Rev 1.4"))
    with pytest.raises(ValueError, match=r"in common .*: ncnn fp32 320x320 4 threads$"):
        compare(report(), report(run(threads=1)))
    with pytest.raises(ValueError, match="none"):
        compare(replace(report(), runs=()), report())
