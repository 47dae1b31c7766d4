"""Runs the checks. One that fails itself is a finding too: nothing is raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from edge.board import ROOT
from edge.doctor import cameras, machine, packages
from edge.doctor.finding import Finding

Check = Callable[[Path], Iterator[Finding]]

# In the order in which they are shown. To add one: write it, add its row.
CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "board": machine.check_board,
        "power": machine.check_power,
        "space": machine.check_space,
        "Python": packages.check_python,
        "OpenCV": packages.check_opencv,
        "runtimes": packages.check_runtimes,
        "cameras": cameras.check_cameras,
        "picamera2": packages.check_picamera,
    }
)


def examine(
    root: Path = ROOT, *, model: Path | None = None, source: str | None = None
) -> Iterator[Finding]:
    """Every finding, as it is made.

    Args:
        root: Where the kernel's files are.
        model: Run it on one frame too.
        source: Read that frame from here.
    """
    for name, check in CHECKS.items():
        yield from _guarded(name, lambda check=check: check(root))  # type: ignore[misc]
    if model is not None or source is not None:
        yield from _guarded("edge run", lambda: packages.try_run(model, source))


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # whatever a strange machine makes of a check
        why = "The check could not be finished; this is a mistake of ours, please report it."
        yield Finding(name, "warning", f"{type(error).__name__}: {error}", why)
