"""Runs configurations in turns, each repetition in a process of its own."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from itertools import islice, product
from pathlib import Path

from edge import board, child, installed, trial
from edge.backends import DEVICES
from edge.backends.base import Device, Precision
from edge.bench.report import Repetition, Report, Run, in_words, on_device
from edge.bench.worker import save_frames
from edge.errors import BackendError, ModelError, SourceError
from edge.io.base import Source
from edge.package import Artifact, Package
from edge.types import Event, Failure, Frame, Size

_FRAMES = 8  # enough that they differ, few enough that their memory does not count
_PATIENCE = 120.0  # seconds beyond the measuring itself: a cold start on a slow card


@dataclass(frozen=True, slots=True)
class Configuration:
    """One way to run the model.

    Attributes:
        artifact: Of the package.
        precision: Asked for.
        threads: 0: one per core.
        input: None: the model's own.
        device: What computes.
    """

    artifact: Artifact
    precision: Precision
    threads: int
    input: Size | None
    device: Device = "cpu"

    def __str__(self) -> str:
        size = f" {self.input}" if self.input else ""
        where = on_device(self.artifact.backend, self.device)
        return f"{where} {self.precision}{size} {in_words(self.threads)}"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure.

    Attributes:
        source: Address of the frames, as the report states it.
        seconds: Of measuring per configuration, over all repetitions: half of it back to back,
            half with a camera of a steady rate.
        repetitions: At least 3: fewer tell nothing about the spread.
        warm_up: Seconds of work before each.
        rate: Frames per second of that camera.
    """

    source: str = "test:conveyor"
    seconds: float = 10.0
    repetitions: int = 5
    warm_up: float = 0.5
    rate: float = 30.0

    def __post_init__(self) -> None:
        if self.repetitions < 3:
            raise ValueError(f"repetitions are at least 3, got {self.repetitions}")


def plan(
    package: Package,
    backends: Collection[str] | None,
    precision: Precision | None,
    threads: Sequence[int],
    inputs: Sequence[Size | None],
    device: Device = "cpu",
) -> tuple[Configuration, ...]:
    """Every way to run a model that is asked for.

    Args:
        package: The model.
        backends: Every artifact of these; None: the package's first that suits, of the runtime
            that offers the device.
        precision: Of the arithmetic. None: that of each artifact, or float16 for a float one
            where the CPU computes in it.
        threads: Each of these numbers; 0: one per core.
        inputs: Each of these sizes; None: the model's own.
        device: What computes.

    Raises:
        ModelError: The package has no such artifact.
    """
    if backends is None:
        artifacts = [package.artifact(DEVICES.get(device), precision)]
    else:
        artifacts = [
            artifact
            for artifact in package.artifacts
            if artifact.backend in backends
            and precision in (None, artifact.precision, *_alike(artifact))
        ]
        if not artifacts:
            package.artifact(min(backends), precision)  # raises, and says what there is
    return tuple(
        Configuration(artifact, precision or _usual(artifact), count, size, device)
        for artifact, count, size in product(artifacts, threads, inputs)
    )


def measure(
    model: Path,
    package: Package,
    configurations: Sequence[Configuration],
    source: Source,
    settings: Settings,
    *,
    note: str = "",
    root: Path = board.ROOT,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Measure configurations, one repetition of each in turn, so that all see the same conditions.

    Args:
        model: Path of the package or model file; the processes read it for themselves.
        package: The same, read.
        configurations: From `plan`.
        source: Frames; the first few are read and it is closed.
        settings: How.
        note: Kept in the report.
        root: Where the kernel's files are.
        progress: Told what is about to happen.

    Raises:
        SourceError: The source gives no frames.
    """
    frames = take_frames(source)
    for configuration in configurations:  # a first opening's trial is no part of a start
        artifact = configuration.artifact
        with suppress(ModelError, BackendError):  # said by the process that measures
            trial.ensure(artifact.backend, artifact.files)
    done: dict[int, list[Repetition]] = {k: [] for k in range(len(configurations))}
    effects: dict[int, tuple[str, int, Size]] = {}
    errors: dict[int, str] = {}
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        file = Path(folder) / "frames.npz"
        save_frames(file, frames)
        for turn in range(settings.repetitions):
            # Every other turn backwards: what drifts over time then favors none of them.
            order = range(len(configurations))
            for k in order if turn % 2 == 0 else reversed(order):
                if k in errors:
                    continue
                progress(f"{turn + 1}/{settings.repetitions} {configurations[k]}")
                try:
                    result = child.call(
                        "edge.bench.worker",
                        _task(model, configurations[k], file, settings, root),
                        timeout=_PATIENCE + 10 * settings.seconds / settings.repetitions,
                    )
                except BackendError as error:
                    errors[k] = str(error)
                    continue
                effects[k] = (result["precision"], result["threads"], Size(*result["input"]))
                done[k].append(Repetition.of(result["repetition"]))
    return Report(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        model=package.name,
        family=package.spec.family,
        board=board.identify(root),
        settings={**asdict(settings), "frame_size": str(frames[0].size)},
        note=note,
        runs=tuple(
            _run(package, configuration, done[k], effects.get(k), errors.get(k, ""))
            for k, configuration in enumerate(configurations)
        ),
    )


def _alike(artifact: Artifact) -> tuple[Precision, ...]:
    """The arithmetics in which an artifact may run: a float one in either."""
    return ("int8",) if artifact.precision == "int8" else ("fp16", "fp32")


def _usual(artifact: Artifact) -> Precision:
    return "int8" if artifact.precision == "int8" else "fp16"


def take_frames(source: Source) -> list[Frame]:
    """The first few frames of a source, copied; the source is closed.

    Raises:
        SourceError: It gives none.
    """
    reason = "it is empty"
    frames = []
    try:
        items = (item for item in source if not isinstance(item, Event))
        for item in islice(items, _FRAMES):
            if isinstance(item, Failure):
                reason = item.reason
            else:
                frames.append(Frame(tuple(plane.copy() for plane in item.planes), item.format))
    finally:
        source.close()
    if not frames:
        raise SourceError(f"no frames to measure with: {reason}")
    return frames


def _task(
    model: Path, configuration: Configuration, frames: Path, settings: Settings, root: Path
) -> dict[str, object]:
    size = configuration.input
    return {
        "model": str(model),
        "backend": configuration.artifact.backend,
        "precision": configuration.precision,
        "threads": configuration.threads,
        "device": configuration.device,
        "input": None if size is None else [size.height, size.width],
        "frames": str(frames),
        "seconds": settings.seconds / settings.repetitions,
        "warm_up": settings.warm_up,
        "rate": settings.rate,
        "root": str(root),
    }


def _run(
    package: Package,
    configuration: Configuration,
    repetitions: Sequence[Repetition],
    effect: tuple[str, int, Size] | None,
    error: str,
) -> Run:
    artifact = configuration.artifact
    asked = (configuration.precision, configuration.threads, configuration.input)
    precision, threads, size = effect or (*asked[:2], asked[2] or package.spec.input)
    content = b"".join(artifact.files[suffix] for suffix in sorted(artifact.files))
    return Run(
        backend=artifact.backend,
        artifact_precision=artifact.precision,
        precision=precision,
        threads=threads,
        input=size,
        model_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        versions=installed.circumstances(artifact.backend),
        repetitions=tuple(repetitions),
        error=error,
        device=configuration.device,
    )
