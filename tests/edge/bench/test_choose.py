from __future__ import annotations

from dataclasses import replace

import pytest
from measured import repetition, report, run

from edge.bench.choose import choose, ways
from edge.errors import BackendError, ModelError
from edge.models.base import ModelSpec
from edge.package import Artifact, Package
from edge.types import Size


def package(*artifacts):
    spec = ModelSpec("yolov6", "rows", Size(64, 64), ("a",))
    return Package("m", spec, tuple(Artifact(name, kind, {}) for name, kind in artifacts))


def chosen(result):
    return [(each.artifact.backend, each.artifact.precision, each.threads) for each in result]


def timed(seconds, *, cpu=None, **changed):
    """A run of so many seconds."""
    each = repetition(seconds)
    return run([], repetitions=(replace(each, cpu_per_frame=cpu or 3 * seconds),) * 3, **changed)


class TestWays:
    def test_the_usual_one_comes_first_and_once(self):
        model = package(("ncnn", "fp16"), ("mnn", "fp16"))
        assert chosen(ways(model, None, [1, 4], 4)) == [
            ("ncnn", "fp16", 4),
            ("ncnn", "fp16", 1),
            ("mnn", "fp16", 1),
            ("mnn", "fp16", 4),
        ]

    def test_int8_is_compared_with_int8_and_floats_with_floats(self):
        both = [("tflite", "int8"), ("ncnn", "fp16"), ("ncnn", "int8"), ("mnn", "fp32")]
        assert chosen(ways(package(*both), None, [1], 1)) == [
            ("tflite", "int8", 1),
            ("ncnn", "int8", 1),
        ]
        result = chosen(ways(package(*reversed(both)), None, [1], 1))
        assert result == [("mnn", "fp32", 1), ("ncnn", "fp16", 1)]

    def test_only_those_asked_for_are_compared_with_the_usual_one(self):
        model = package(("ncnn", "fp16"), ("mnn", "fp16"))
        assert chosen(ways(model, ["mnn"], [2], 4)) == [("ncnn", "fp16", 4), ("mnn", "fp16", 2)]
        with pytest.raises(ModelError, match="no artifact for tflite"):
            ways(model, ["tflite"], [2], 4)


class TestChoose:
    def test_the_fastest_is_chosen(self):
        usual, fast = timed(0.02), timed(0.01, backend="mnn", threads=2)
        result = choose(report(usual, timed(0.03, threads=1), fast))
        assert result.run is fast
        assert result.reason == "mnn with 2 threads 10.0 ms, usually ncnn with 4 threads 20.0 ms"
        assert not result.doubts

    def test_where_the_usual_is_the_fastest_it_stays(self):
        usual = timed(0.01)
        result = choose(report(usual, timed(0.02, threads=1)))
        assert result.run is usual
        assert result.reason == "nothing is faster than the usual ncnn with 4 threads 10.0 ms"

    def test_of_those_as_fast_the_one_that_takes_less_of_the_cpu(self):
        usual, thrifty = timed(0.010, cpu=0.04), timed(0.0104, cpu=0.01, threads=1)
        result = choose(report(usual, thrifty))
        assert result.run is thrifty
        assert "takes 40.0 ms of CPU a frame instead of 10.0" in result.reason
        assert choose(report(usual, timed(0.0106, cpu=0.01, threads=1))).run is usual

    def test_another_arithmetic_is_never_chosen(self):
        usual = timed(0.02)
        assert choose(report(usual, timed(0.01, precision="fp16"))).run is usual

    def test_a_runtime_that_fails_is_passed_over(self):
        usual = timed(0.02)
        broken = run([], backend="mnn", error="killed by SIGILL")
        assert choose(report(usual, broken)).run is usual
        with pytest.raises(BackendError, match="usually would: killed by SIGILL"):
            choose(report(broken, usual))

    def test_doubts_of_what_is_compared_are_told(self):
        slow = repetition(0.02)
        usual = run([], repetitions=(replace(slow, others=1.5),) * 3)
        (doubt,) = choose(report(usual, timed(0.01, threads=2))).doubts
        assert doubt == "ncnn fp32 320x320 4 threads: other programs kept 1.5 cores busy"
