"""What a run did, in numbers."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field

import numpy as np

_RECENT = 10_000  # latencies and ages that are kept: a run may last for months

# Why a frame was dropped, and how the summary says it.
DROPS: Mapping[str, str] = {
    "overtaken": "by a newer frame, under drop-oldest",
    "no-room": "an older frame waited, under drop-latest",
    "too-old": "its result would be, or was, older than allowed",
    "rate": "its source may not have more than its rate",
    "stopped": "it waited when the run was stopped",
}


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latencies or ages, in seconds."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, latencies: Sequence[float]) -> Percentiles:
        """The percentiles of at least one latency, interpolated between neighbors."""
        p50, p90, p99 = np.percentile(np.asarray(latencies), (50, 90, 99)).tolist()
        return cls(p50, p90, p99)

    def __str__(self) -> str:
        p50, p90, p99 = (1e3 * value for value in astuple(self))
        return f"p50 {p50:.1f}, p90 {p90:.1f}, p99 {p99:.1f} ms"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did. Every frame of every source is in one of the first two or in `dropped`.

    Attributes:
        frames: Results that no sink failed to save.
        failures: Frames that could not be had, or whose result a sink could not save.
        seconds: From the request for the first frame to the last sink's close.
        latency: From image to detections, of the last 10 000 results; None without any.
        interrupted: Whether the user stopped it.
        dropped: Frames that were not looked at, by reason: the keys of `DROPS`.
        age: From capture to detections, of the last 10 000 live results; None without any.
        missed: Results that a sink was too slow to take, by its kind; live sources only.
    """

    frames: int
    failures: int
    seconds: float
    latency: Percentiles | None
    interrupted: bool = False
    dropped: Mapping[str, int] = field(default_factory=dict)
    age: Percentiles | None = None
    missed: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{self.frames} frames"]
        if self.failures:
            parts.append(f"{self.failures} failed")
        if self.dropped:
            reasons = ", ".join(f"{count} {why}" for why, count in sorted(self.dropped.items()))
            parts.append(f"{sum(self.dropped.values())} dropped ({reasons})")
        parts.extend(f"{count} missed by {sink}" for sink, count in sorted(self.missed.items()))
        if self.seconds > 0:
            parts.append(f"{self.frames / self.seconds:.1f} frames/s in {self.seconds:.1f} s")
        if self.latency is not None:
            parts.append(f"latency {self.latency}")
        if self.age is not None:
            parts.append(f"age {self.age}")
        if self.interrupted:
            parts.append("interrupted")
        return "; ".join(parts)


class Counters:
    """The numbers while they grow. Every thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processed = self._failed = 0
        self._dropped: Counter[str] = Counter()
        self._missed: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=_RECENT)
        self._ages: deque[float] = deque(maxlen=_RECENT)

    @property
    def done(self) -> int:
        """Frames that were processed or failed."""
        with self._lock:
            return self._processed + self._failed

    def process(self, latency: float, age: float | None) -> None:
        """A frame has its result, after seconds of work, seconds after its capture."""
        with self._lock:
            self._processed += 1
            self._latencies.append(latency)
            if age is not None:
                self._ages.append(age)

    def fail(self) -> None:
        """A frame could not be had."""
        with self._lock:
            self._failed += 1

    def mark_failed(self) -> None:
        """A processed frame has failed after all."""
        with self._lock:
            self._processed -= 1
            self._failed += 1

    def drop(self, why: str, count: int = 1) -> None:
        """Frames will not be looked at; `why` is a key of `DROPS`."""
        with self._lock:
            self._dropped[why] += count

    def miss(self, sink: str) -> None:
        """A sink has no room for a result."""
        with self._lock:
            self._missed[sink] += 1

    def summary(self, seconds: float, *, interrupted: bool) -> Summary:
        """The numbers now."""
        with self._lock:
            return Summary(
                self._processed,
                self._failed,
                seconds,
                Percentiles.of(self._latencies) if self._latencies else None,
                interrupted,
                dict(self._dropped),
                Percentiles.of(self._ages) if self._ages else None,
                dict(self._missed),
            )
