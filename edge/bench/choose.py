"""Which of the measured ways to run a model is the best one here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edge.backends.base import Precision
from edge.bench.measure import Configuration
from edge.bench.report import Report, Run, in_words
from edge.errors import BackendError
from edge.package import Package
from edge.types import Size

ALIKE = 0.05  # latencies this near are the same; then the lower use of the CPU decides


@dataclass(frozen=True, slots=True)
class Best:
    """The way to run a model.

    Attributes:
        run: As measured.
        reason: Why, as a phrase.
        doubts: Why the numbers behind it must not be believed; empty where they may.
    """

    run: Run
    reason: str
    doubts: tuple[str, ...]


def ways(
    package: Package,
    backends: Collection[str] | None,
    threads: Sequence[int],
    cores: int,
    size: Size | None = None,
) -> tuple[Configuration, ...]:
    """The usual way to run a model, then all others of its kind.

    A model that runs INT8 is compared with INT8, a float one with floats.

    Args:
        package: The model.
        backends: Only these; None: all that the package has artifacts for.
        threads: Each of these numbers.
        cores: The usual number of threads.
        size: Of the network input; None: the model's own.

    Raises:
        ModelError: The package has no artifact for one of the backends.
    """
    usual = package.artifact()
    kind: Precision = "int8" if usual.precision == "int8" else "fp16"  # where the CPU has that
    names = backends or [
        a.backend for a in package.artifacts if (a.precision == "int8") == (kind == "int8")
    ]
    configurations = [Configuration(usual, kind, cores, size)]
    for name in dict.fromkeys(names):
        artifact = package.artifact(name, kind)
        configurations += [Configuration(artifact, kind, count, size) for count in threads]
    return tuple(
        configurations[:1] + [each for each in configurations[1:] if each != configurations[0]]
    )


def choose(report: Report) -> Best:
    """The fastest run of the precision in which the first one computes.

    Raises:
        BackendError: No run succeeded.
    """
    usual = report.runs[0]
    if not usual.repetitions:
        raise BackendError(f"the model does not run as it usually would: {usual.error}")
    rivals = [run for run in report.runs if run.repetitions and run.precision == usual.precision]
    fastest = min(rivals, key=_latency)
    near = [run for run in rivals if _latency(run) <= (1 + ALIKE) * _latency(fastest)]
    best = min(near, key=lambda run: (run.value("cpu_per_frame"), _latency(run)))
    if _same(best, usual):
        reason = f"nothing is faster than the usual {_in_short(usual)}"
    else:
        reason = f"{_in_short(best)}, usually {_in_short(usual)}"
    if best is not fastest and not _same(best, fastest):
        reason += (
            f"; {_in_short(fastest)} is as fast within {ALIKE:.0%} and takes "
            f"{fastest.value('cpu_per_frame'):.1f} ms of CPU a frame instead of "
            f"{best.value('cpu_per_frame'):.1f}"
        )
    compared = (usual,) if best is usual else (usual, best)
    doubts = [f"{run.key}: {why}" for run in compared for why in run.invalid]
    return Best(best, reason, tuple(doubts))


def _latency(run: Run) -> float:
    return run.value("latency_p50")


def _same(a: Run, b: Run) -> bool:
    return (a.backend, a.threads) == (b.backend, b.threads)


def _in_short(run: Run) -> str:
    return f"{run.backend} with {in_words(run.threads)} {_latency(run):.1f} ms"
