"""What was measured, with its circumstances: as values, and as a JSON file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.bench.verdict import reasons
from edge.board import Board, Clock, State
from edge.errors import DataError
from edge.pipeline import Percentiles
from edge.types import Size

FORMAT = "edge bench 2"


def in_words(threads: int) -> str:
    """How many threads; 0 are one per core."""
    return {0: "all cores", 1: "1 thread"}.get(threads, f"{threads} threads")


def on_device(backend: str, device: str) -> str:
    """The runtime, and what it computes on where that is not the CPU."""
    return backend if device == "cpu" else f"{backend} on {device}"


@dataclass(frozen=True, slots=True)
class Repetition:
    """What one process measured. Seconds, unless stated.

    Attributes:
        cold_start: From the start of the process to the first detection.
        load: Of that, reading the model and making the runtime ready.
        preprocess: Image to network input.
        inference: Network input to raw outputs.
        postprocess: Raw outputs to detections.
        latency: Image to detections.
        throughput: Frames per second, back to back.
        frame_age: From a frame's capture to its detections, with a camera of a steady rate.
        cpu_per_frame: CPU time, all threads together, back to back.
        peak_memory: Bytes that were resident at most.
        frames: How many were measured back to back.
        others: Cores that other programs kept busy meanwhile; None when unknown.
        before: The machine before it.
        after: The machine at the end, still under load.
    """

    cold_start: float
    load: float
    preprocess: Percentiles
    inference: Percentiles
    postprocess: Percentiles
    latency: Percentiles
    throughput: float
    frame_age: Percentiles
    cpu_per_frame: float
    peak_memory: int
    frames: int
    others: float | None
    before: State
    after: State

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Repetition:
        """From the plain values of `asdict`."""
        stages = ("preprocess", "inference", "postprocess", "latency", "frame_age")
        parts = {name: Percentiles(**values[name]) for name in stages}
        states = {name: _state(values[name]) for name in ("before", "after")}
        return cls(**{**values, **parts, **states})


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a repetition.

    Attributes:
        label: For people.
        unit: "ms", "frames/s", "MB".
        scale: From the stored unit to that one.
        of: Takes it from a repetition.
        more_is_better: As of a throughput.
    """

    label: str
    unit: str
    scale: float
    of: Callable[[Repetition], float]
    more_is_better: bool = False


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "latency_p50": Metric("latency p50", "ms", 1e3, lambda r: r.latency.p50),
        "latency_p90": Metric("latency p90", "ms", 1e3, lambda r: r.latency.p90),
        "latency_p99": Metric("latency p99", "ms", 1e3, lambda r: r.latency.p99),
        "preprocess_p50": Metric("preprocess p50", "ms", 1e3, lambda r: r.preprocess.p50),
        "inference_p50": Metric("inference p50", "ms", 1e3, lambda r: r.inference.p50),
        "postprocess_p50": Metric("postprocess p50", "ms", 1e3, lambda r: r.postprocess.p50),
        "throughput": Metric("throughput", "frames/s", 1, lambda r: r.throughput, True),
        "frame_age_p50": Metric("frame age p50", "ms", 1e3, lambda r: r.frame_age.p50),
        "frame_age_p99": Metric("frame age p99", "ms", 1e3, lambda r: r.frame_age.p99),
        "cpu_per_frame": Metric("CPU per frame", "ms", 1e3, lambda r: r.cpu_per_frame),
        "cold_start": Metric("cold start", "ms", 1e3, lambda r: r.cold_start),
        "load": Metric("load", "ms", 1e3, lambda r: r.load),
        "peak_memory": Metric("peak memory", "MB", 1e-6, lambda r: float(r.peak_memory)),
    }
)


@dataclass(frozen=True, slots=True)
class Run:
    """One configuration, repeated.

    Attributes:
        backend: Key into `edge.backends.BACKENDS`.
        artifact_precision: Of the weights.
        precision: Of the arithmetic in effect.
        threads: In effect.
        input: Size of the network input.
        model_bytes: Size of the artifact's files.
        sha256: Of the artifact's files, one after the other in the order of their suffixes.
        versions: Of the packages that take part.
        repetitions: Each in a process of its own; empty where it failed.
        error: Why it failed; empty where it did not.
        device: What computed.
    """

    backend: str
    artifact_precision: str
    precision: str
    threads: int
    input: Size
    model_bytes: int
    sha256: str
    versions: Mapping[str, str]
    repetitions: tuple[Repetition, ...]
    error: str = ""
    device: str = "cpu"

    @property
    def key(self) -> str:
        """What it is, for people and for finding it in another report."""
        where, threads = on_device(self.backend, self.device), in_words(self.threads)
        return f"{where} {self.precision} {self.input} {threads}"

    @property
    def invalid(self) -> tuple[str, ...]:
        """Why the numbers must not be believed; empty where they may."""
        if self.error:
            return (self.error,)
        return reasons(
            [r.latency.p50 for r in self.repetitions],
            [(r.before, r.after) for r in self.repetitions],
            [r.others for r in self.repetitions],
        )

    def values(self, metric: str) -> list[float]:
        """One number of `METRICS` per repetition, in its unit."""
        chosen = METRICS[metric]
        return [chosen.of(each) * chosen.scale for each in self.repetitions]

    def value(self, metric: str) -> float:
        """The median of `values`."""
        return statistics.median(self.values(metric))


@dataclass(frozen=True, slots=True)
class Report:
    """All configurations and their circumstances.

    Attributes:
        created: When, ISO 8601, UTC.
        model: Name of the package.
        family: Of the model.
        board: The machine.
        settings: Source of the frames, seconds and so on.
        note: What the one who measured adds, such as the power supply.
        runs: One per configuration.
    """

    created: str
    model: str
    family: str
    board: Board
    settings: Mapping[str, Any]
    note: str
    runs: tuple[Run, ...]

    @property
    def valid(self) -> bool:
        """Whether all of it may be believed."""
        return not any(run.invalid for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them. Names no path, host or person."""
        return {
            "format": FORMAT,
            "created": self.created,
            "valid": self.valid,
            "model": self.model,
            "family": self.family,
            "board": {**asdict(self.board), "features": sorted(self.board.features)},
            "settings": dict(self.settings),
            "note": self.note,
            "runs": [
                {
                    **asdict(run),
                    "input": [run.input.height, run.input.width],
                    "invalid": list(run.invalid),
                    "summary": {name: run.value(name) for name in METRICS} if run.repetitions
                    else {},
                }
                for run in self.runs
            ],
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Any) -> Report:
        """From the values of `as_json`.

        Raises:
            ValueError: They are something else.
        """
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError(f'not a report of `edge bench`: it lacks "format": "{FORMAT}"')
        try:
            return cls(
                created=str(values["created"]),
                model=str(values["model"]),
                family=str(values["family"]),
                board=Board(
                    **{**values["board"], "features": frozenset(values["board"]["features"])}
                ),
                settings=dict(values["settings"]),
                note=str(values["note"]),
                runs=tuple(map(_run, values["runs"])),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a damaged report of `edge bench`: {error!r}") from error


def read(path: Path) -> Report:
    """A report from a file that `edge bench` wrote.

    Raises:
        DataError: It cannot be read, or is something else.
    """
    try:
        return Report.from_json(json.loads(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: {error}") from error


def _run(values: Mapping[str, Any]) -> Run:
    derived = ("invalid", "summary")
    own = {name: value for name, value in values.items() if name not in derived}
    own["input"] = Size(*values["input"])
    own["repetitions"] = tuple(map(Repetition.of, values["repetitions"]))
    run = Run(**own)
    for metric in METRICS:
        _check_numbers(run.values(metric))
    return run


def _check_numbers(values: Sequence[Any]) -> None:
    if not all(isinstance(value, float) and value >= 0 for value in values):
        raise TypeError(f"numbers from 0 are wanted, got {values}")


def _state(values: Mapping[str, Any]) -> State:
    lists = {name: tuple(values[name]) for name in ("limits", "past_limits")}
    clocks = tuple(Clock(**each) for each in values["clocks"])
    return State(**{**values, **lists, "clocks": clocks})
