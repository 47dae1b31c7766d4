"""Runs a detector over a source, into sinks."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from typing import Protocol

import numpy as np

from edge.errors import UnsavedError
from edge.io.base import Sink, Source
from edge.types import Failure, Frame, Result

_RECENT = 10_000  # latencies that are kept: a run may last for months


class Runs(Protocol):
    """What a detector is here."""

    def run(self, frame: Frame) -> Result:
        """What is in a frame, and how long finding it took."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latencies from image to detections, in seconds."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, latencies: Sequence[float]) -> Percentiles:
        """The percentiles of at least one latency, interpolated between neighbours."""
        p50, p90, p99 = np.percentile(np.asarray(latencies), (50, 90, 99)).tolist()
        return cls(p50, p90, p99)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes:
        frames: Results that every sink took.
        failures: Frames that could not be had, or whose result a sink could not save.
        seconds: From the request for the first frame to the last sink's close.
        latency: Of the last 10 000 results; None without any.
        interrupted: Whether the user stopped it.
    """

    frames: int
    failures: int
    seconds: float
    latency: Percentiles | None
    interrupted: bool = False

    def __str__(self) -> str:
        parts = [f"{self.frames} frames"]
        if self.failures:
            parts.append(f"{self.failures} failed")
        if self.seconds > 0:
            parts.append(f"{self.frames / self.seconds:.1f} frames/s in {self.seconds:.1f} s")
        if self.latency is not None:
            p50, p90, p99 = (1e3 * v for v in astuple(self.latency))
            parts.append(f"latency p50 {p50:.1f}, p90 {p90:.1f}, p99 {p99:.1f} ms")
        if self.interrupted:
            parts.append("interrupted")
        return "; ".join(parts)


def run(
    source: Source, detector: Runs, sinks: Sequence[Sink], *, max_frames: int | None = None
) -> Summary:
    """Detect in every frame and hand each result to every sink.

    The source and all sinks are closed in every case, also when one of them fails. An interrupt
    by the user (SIGINT) ends the run as the end of the source does.

    Args:
        source: Where frames come from.
        detector: What finds something in them.
        sinks: Where results go; each takes a frame's before the next frame is read. When one
            cannot save a result, those after it are told of a failure.
        max_frames: Stop after so many frames of the source, failed ones included.

    Raises:
        SourceError: The source as a whole failed.
        SinkError: A sink failed.
    """
    frames = failures = 0
    interrupted = False
    latencies: deque[float] = deque(maxlen=_RECENT)
    start = time.monotonic()
    with ExitStack() as stack:
        # Last in, first out: sinks close in the order given, then the source.
        stack.callback(source.close)
        for sink in reversed(sinks):
            stack.callback(sink.close)
        try:
            for item in itertools.islice(source, max_frames):
                if isinstance(item, Failure):
                    failures += 1
                    for sink in sinks:
                        sink.write_failure(item)
                    continue
                result = detector.run(item)
                latencies.append(result.latency.total)
                saved = _hand_out(result, sinks)
                frames += saved
                failures += not saved
        except KeyboardInterrupt:
            interrupted = True
    seconds = time.monotonic() - start
    latency = Percentiles.of(latencies) if latencies else None
    return Summary(frames, failures, seconds, latency, interrupted)


def _hand_out(result: Result, sinks: Sequence[Sink]) -> bool:
    """Give a result to the sinks, in order. Returns whether all of them could save it."""
    rest = iter(sinks)
    try:
        for sink in rest:
            sink.write(result)
    except UnsavedError as error:
        frame = result.frame
        failure = Failure(frame.index, frame.time, frame.source, str(error))
        for sink in rest:
            sink.write_failure(failure)
        return False
    return True
