"""Reports of `edge bench` as they would be, made without measuring."""

from __future__ import annotations

from collections.abc import Sequence

from edge.bench.report import Repetition, Report, Run
from edge.board import Board, Clock, State
from edge.pipeline import Percentiles
from edge.types import Size


def state(**changed) -> State:
    values = {
        "clocks": (Clock("policy0", "performance", 2400.0, 2400.0),),
        "temperatures": {"cpu-thermal": 55.0},
        "limits": (),
        "past_limits": (),
        "throttle_count": None,
        "busy": 100.0,
        "available": 1 << 30,
    }
    return State(**{**values, **changed})


def repetition(latency: float = 0.010, **changed) -> Repetition:
    """One whose median latency is so many seconds."""

    def around(value: float) -> Percentiles:
        return Percentiles(value, 1.1 * value, 1.3 * value)

    values = {
        "cold_start": 0.5,
        "load": 0.1,
        "preprocess": around(0.1 * latency),
        "inference": around(0.8 * latency),
        "postprocess": around(0.1 * latency),
        "latency": around(latency),
        "throughput": 1 / latency,
        "frame_age": around(2 * latency),
        "cpu_per_frame": 3 * latency,
        "peak_memory": 50_000_000,
        "frames": 100,
        "others": 0.05,
        "before": state(),
        "after": state(busy=104.0),
    }
    return Repetition(**{**values, **changed})


def run(latencies: Sequence[float] = (0.010, 0.0101, 0.0102), **changed) -> Run:
    values = {
        "backend": "ncnn",
        "artifact_precision": "fp16",
        "precision": "fp32",
        "threads": 4,
        "input": Size(320, 320),
        "model_bytes": 1_100_000,
        "sha256": "0" * 64,
        "versions": {"python": "3.11.2", "numpy": "2.4.0"},
        "repetitions": tuple(map(repetition, latencies)),
    }
    return Run(**{**values, **changed})


def report(*runs: Run, model: str = "Raspberry Pi 5 Model B Rev 1.0") -> Report:
    board = Board(
        model, "4 x Cortex-A76", "aarch64", 4, frozenset({"asimd"}), "6.12", "Debian 12", 1 << 33
    )
    return Report(
        created="2026-11-22T04:30:00+00:00",
        model="lite-s",
        family="yolov6lite",
        board=board,
        settings={"repetitions": 3, "source": "test:conveyor"},
        note="",
        runs=runs or (run(),),
    )
