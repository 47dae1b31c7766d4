"""One repetition of one configuration, in a process of its own."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edge import board, child
from edge.detector import Detector
from edge.pipeline import Percentiles
from edge.types import Frame, Latency, Size

_FEWEST = 5  # frames of a measurement, however slow the board


def main() -> None:
    """Answer with a `Repetition` as plain values, and what is in effect."""
    child.answer(_measure)


def save_frames(path: Path, frames: Sequence[Frame]) -> None:
    """Write frames so that `load_frames` has them at once, without decoding."""
    planes = {
        f"{k}_{frame.format}_{p}": plane
        for k, frame in enumerate(frames)
        for p, plane in enumerate(frame.planes)
    }
    np.savez(path, allow_pickle=False, **planes)


def load_frames(path: Path) -> list[Frame]:
    """The frames of `save_frames`."""
    results: dict[int, tuple[Any, list[Any]]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            index, format_, _ = name.split("_")
            results.setdefault(int(index), (format_, []))[1].append(arrays[name])
    return [Frame(tuple(planes), format_) for _, (format_, planes) in sorted(results.items())]


def memory(field: str = "VmHWM") -> int:
    """Bytes of memory that this process holds ("VmRSS") or has held at most ("VmHWM").

    Not `ru_maxrss`: a child inherits that from its parent.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _measure(task: Mapping[str, Any]) -> dict[str, Any]:
    frames, root = load_frames(Path(task["frames"])), Path(task["root"])
    size = task["input"]
    begin = time.monotonic()
    with Detector.load(
        Path(task["model"]),
        backend=task["backend"],
        precision=task["precision"],
        threads=task["threads"],
        device=task["device"],
        imgsz=size and Size(*size),
    ) as detector:
        loaded = time.monotonic()
        detector.run(frames[0])
        first = time.monotonic()
        _back_to_back(detector, frames, task["warm_up"])

        before, start, used = board.state(root), time.monotonic(), time.process_time()
        latencies, seconds, cpu = _back_to_back(detector, frames, task["seconds"] / 2)
        ages = _live(detector, frames, task["seconds"] / 2, task["rate"])
        # The clocks under load, not those of the rest that follows.
        after = board.state(root)
        others = _others(before, after, time.process_time() - used, time.monotonic() - start)
        return {
            "precision": detector.backend.precision,
            "threads": detector.backend.threads,
            "input": [detector.spec.input.height, detector.spec.input.width],
            "repetition": {
                "cold_start": first - task["started"],
                "load": loaded - begin,
                "preprocess": _percentiles([each.preprocess for each in latencies]),
                "inference": _percentiles([each.inference for each in latencies]),
                "postprocess": _percentiles([each.postprocess for each in latencies]),
                "latency": _percentiles([each.total for each in latencies]),
                "throughput": len(latencies) / seconds,
                "frame_age": _percentiles(ages),
                "cpu_per_frame": cpu / len(latencies),
                "peak_memory": memory(),
                "frames": len(latencies),
                "others": others,
                "before": asdict(before),
                "after": asdict(after),
            },
        }


def _back_to_back(
    detector: Detector, frames: Sequence[Frame], seconds: float
) -> tuple[list[Latency], float, float]:
    """Latencies of frames one after the other; wall and CPU seconds of them all."""
    results: list[Latency] = []
    start, used = time.monotonic(), time.process_time()
    while len(results) < _FEWEST or time.monotonic() - start < seconds:
        results.append(detector.run(frames[len(results) % len(frames)]).latency)
    return results, time.monotonic() - start, time.process_time() - used


def _live(detector: Detector, frames: Sequence[Frame], seconds: float, rate: float) -> list[float]:
    """Ages of frames when their result is there, from a camera whose newest frame is taken.

    The camera is a clock: it takes a frame at every tick, at once and without loss. The detector
    takes the newest, or waits for the next where it has had that one.
    """
    ages: list[float] = []
    start = time.monotonic()
    last = -1
    while len(ages) < _FEWEST or time.monotonic() - start < seconds:
        newest = int((time.monotonic() - start) * rate)
        if newest == last:
            newest += 1
            time.sleep(max(0.0, start + newest / rate - time.monotonic()))
        last = newest
        detector.run(frames[newest % len(frames)])
        ages.append(time.monotonic() - (start + newest / rate))
    return ages


def _others(before: board.State, after: board.State, used: float, seconds: float) -> float | None:
    """How many cores other programs kept busy meanwhile."""
    if before.busy is None or after.busy is None:
        return None
    return max(0.0, after.busy - before.busy - used) / seconds


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return asdict(Percentiles.of(values))
