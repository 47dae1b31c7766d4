from __future__ import annotations

import mmap
import os
import signal

import boards
import numpy as np
import pytest

from edge.bench.soak import Sample, Soak, Trend, soak
from edge.types import Detections, Frame, Latency, Result

EMPTY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
FRAME = Frame.of(np.zeros((8, 8, 3), np.uint8))


def samples(memory=lambda t: 50e6, latency=lambda t: 0.01, limits=()):
    noise = np.random.default_rng(0).normal(0, 1, (100, 2))
    return tuple(
        Sample(36.0 * k, 100, latency(k / 100) * (1 + 0.005 * n), int(memory(k / 100) + 1e4 * m),
               60.0, 1500.0, limits)
        for k, (n, m) in enumerate(noise)
    )  # fmt: skip


def test_a_steady_machine_has_no_problems():
    assert Soak(samples()).problems == ()


def test_growing_memory_is_found_and_measured():
    (problem,) = Soak(samples(memory=lambda t: 50e6 + 20e6 * t)).problems
    assert problem == "memory grows by 20.0 MB per hour"


def test_memory_taken_while_warming_up_is_no_growth():
    assert Soak(samples(memory=lambda t: 50e6 if t > 0.08 else 20e6)).problems == ()


def test_rising_latency_is_found():
    (problem,) = Soak(samples(latency=lambda t: 0.01 * (1 + 0.3 * t))).problems
    assert problem.startswith("latency rises by 2")


def test_one_outlier_is_no_trend():
    assert Soak(samples(latency=lambda t: 1.0 if t == 0.99 else 0.01)).problems == ()


def test_a_machine_that_was_held_back_is_named():
    assert Soak(samples(limits=("throttled",))).problems == (
        "the machine was held back: throttled",
    )


def test_too_short_a_soak_is_no_proof():
    assert Soak(samples()[:8]).problems[0].startswith("too short")
    assert Soak(()).problems[0].startswith("too short: 0 samples")


def test_a_trend_is_the_line_through_the_points():
    result = Trend.of([0, 1, 2, 3], [5, 7, 9, 11])
    assert (result.rise, result.noise, result.median) == (6, 0, 8)


class Works:
    """A detector that takes a millisecond of its own clock for every frame.

    It keeps so many pages of each, which no allocator had before, and can interrupt itself.
    """

    def __init__(self, keep=0, interrupt_at=None):
        self.kept, self._keep, self._at, self.count = [], keep, interrupt_at, 0

    def clock(self):
        return self.count / 1000

    def run(self, frame):
        self.count += 1
        if self.count == self._at:
            os.kill(os.getpid(), signal.SIGINT)
        if self._keep:
            self.kept.append(mmap.mmap(-1, self._keep * mmap.PAGESIZE))
            self.kept[-1].write(b"x" * len(self.kept[-1]))
        return Result(frame, EMPTY, Latency(0.0, 0.001, 0.0))


def test_watches_a_detector_that_leaks(tmp_path, monkeypatch):
    detector = Works(keep=8)
    monkeypatch.setattr("edge.bench.soak.monotonic", detector.clock)
    detections = soak(detector, [FRAME], 2.0, root=boards.pi5(tmp_path))
    assert 180 <= len(detections.samples) <= 200
    assert detections.samples[0].temperature == pytest.approx(48.3)
    assert detections.samples[0].mhz == 2400
    assert any(problem.startswith("memory grows") for problem in detections.problems)


def test_a_throttled_board_shows(tmp_path, monkeypatch):
    detector = Works()
    monkeypatch.setattr("edge.bench.soak.monotonic", detector.clock)
    detections = soak(detector, [FRAME], 0.5, root=boards.pi4(tmp_path, throttled=0x4))
    assert "the machine was held back: throttled" in detections.problems


def test_an_interrupted_soak_keeps_what_it_has(tmp_path):
    detector = Works(interrupt_at=1000)
    result = soak(detector, [FRAME], 60.0, root=tmp_path)
    assert result.interrupted
    assert detector.count == 1000
