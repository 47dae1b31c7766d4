"""Hours of work: whether memory or latency creep up, and how hot it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from edge import board
from edge.bench.verdict import held_back
from edge.bench.worker import memory
from edge.pipeline import FrameDetector, Percentiles
from edge.types import Frame

_SAMPLES = 200  # of a whole soak
_SETTLING = 0.1  # the share of the time that belongs to warming up
_FEWEST = 10  # samples for a trend
_LEAST_GROWTH = 1 << 20  # bytes: allocators move by that
_LEAST_SLOWING = 0.05  # of the median latency


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment of a soak.

    Attributes:
        seconds: Since its start.
        frames: Since the sample before.
        latency: Their median, in seconds.
        memory: Bytes resident.
        temperature: Degrees Celsius of the hottest sensor; None without any.
        mhz: Of the slowest clock; None when unknown.
        limits: What held the machine back since the sample before.
    """

    seconds: float
    frames: int
    latency: float
    memory: int
    temperature: float | None
    mhz: float | None
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """How a value moves over a soak.

    Attributes:
        rise: Over the whole time, by the median slope between any two samples.
        noise: Median distance of a sample from that line.
        median: Of all samples.
    """

    rise: float
    noise: float
    median: float

    @classmethod
    def of(cls, times: Sequence[float], values: Sequence[float]) -> Trend:
        """The line through at least two samples that a few outliers do not move.

        Source: Theil 1950, Sen 1968: the median of the slopes of all pairs.
        """
        t, v = np.asarray(times, np.float64), np.asarray(values, np.float64)
        first, second = np.triu_indices(len(t), 1)
        slope = float(np.median((v[second] - v[first]) / (t[second] - t[first])))
        rest = v - slope * t
        noise = float(np.median(np.abs(rest - np.median(rest))))
        return cls(slope * float(t[-1] - t[0]), noise, float(np.median(v)))


@dataclass(frozen=True, slots=True)
class Soak:
    """What became of a machine that worked without a pause.

    Attributes:
        samples: In order of time.
        interrupted: Whether the user ended it.
    """

    samples: tuple[Sample, ...]
    interrupted: bool = False

    @property
    def settled(self) -> tuple[Sample, ...]:
        """The samples after warming up."""
        end = self.samples[-1].seconds if self.samples else 0.0
        return tuple(s for s in self.samples if s.seconds >= _SETTLING * end)

    @property
    def memory(self) -> Trend | None:
        """Of the resident bytes; None with too few samples."""
        return self._trend([float(s.memory) for s in self.settled])

    @property
    def latency(self) -> Trend | None:
        """Of the median latency in seconds; None with too few samples."""
        return self._trend([s.latency for s in self.settled])

    @property
    def problems(self) -> tuple[str, ...]:
        """What a board that runs for months must not show; empty when all is well."""
        grown, slowed = self.memory, self.latency
        if grown is None or slowed is None:
            return (f"too short: {len(self.settled)} samples, {_FEWEST} make a trend",)
        problems = []
        if grown.rise > max(_LEAST_GROWTH, 3 * grown.noise):
            hours = (self.settled[-1].seconds - self.settled[0].seconds) / 3600
            problems.append(f"memory grows by {grown.rise / hours / 1e6:.1f} MB per hour")
        if slowed.rise > max(_LEAST_SLOWING * slowed.median, 3 * slowed.noise):
            problems.append(f"latency rises by {slowed.rise / slowed.median:.0%}")
        limits = sorted({limit for sample in self.samples for limit in sample.limits})
        if limits:
            problems.append(f"the machine was held back: {', '.join(limits)}")
        return tuple(problems)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        memory_, latency = self.memory, self.latency
        return {
            "samples": [asdict(sample) for sample in self.samples],
            "memory_trend": None if memory_ is None else asdict(memory_),
            "latency_trend": None if latency is None else asdict(latency),
            "problems": list(self.problems),
            "interrupted": self.interrupted,
        }

    def _trend(self, values: Sequence[float]) -> Trend | None:
        if len(values) < _FEWEST:
            return None
        return Trend.of([s.seconds for s in self.settled], values)


def soak(
    detector: FrameDetector,
    frames: Sequence[Frame],
    seconds: float,
    *,
    root: Path = board.ROOT,
    progress: Callable[[Sample], None] = lambda _: None,
) -> Soak:
    """Detect without a pause, and look at the machine about 200 times meanwhile.

    The user may end it (SIGINT) and keeps what there is by then.

    Args:
        detector: What works.
        frames: Taken in turns.
        seconds: How long.
        root: Where the kernel's files are.
        progress: Told each sample.
    """
    samples: list[Sample] = []
    latencies: list[float] = []
    start = last = monotonic()
    before = board.state(root)
    try:
        while last - start < seconds:
            latencies.append(detector.run(frames[len(latencies) % len(frames)]).latency.total)
            now = monotonic()
            if now - last >= seconds / _SAMPLES:
                last, after = now, board.state(root)
                samples.append(_sample(now - start, latencies, before, after))
                progress(samples[-1])
                latencies, before = [], after
    except KeyboardInterrupt:
        return Soak(tuple(samples), interrupted=True)
    return Soak(tuple(samples))


def _sample(
    seconds: float, latencies: Sequence[float], before: board.State, after: board.State
) -> Sample:
    return Sample(
        seconds=seconds,
        frames=len(latencies),
        latency=Percentiles.of(latencies).p50,
        memory=memory("VmRSS"),
        temperature=after.hottest,
        mhz=min((clock.mhz for clock in after.clocks), default=None),
        limits=tuple(sorted(held_back(before, after))),
    )
