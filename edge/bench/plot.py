"""Reports as images: SVG, without a library."""

from __future__ import annotations

from collections.abc import Sequence

from edge.bench.report import Report, Run
from edge.bench.soak import Sample, Soak
from edge.svg import document, text

_WIDTH = 860
_LEFT = 250  # room for names
_PLOT = _WIDTH - _LEFT - 170  # and for numbers at the right
_ROW = 44
_TOP = 96
_STAGES = (("preprocess", "#4e79a7"), ("inference", "#f28e2b"), ("postprocess", "#59a14f"))


def bars(report: Report) -> str:
    """A bar per configuration: the median of each stage, a line up to the 99th percentile.

    What failed or is invalid is pale and says why.
    """
    runs = report.runs
    longest = max((run.value("latency_p99") for run in runs if run.repetitions), default=1.0)
    height = _TOP + _ROW * len(runs) + 40
    board = report.board
    where = ", ".join(filter(None, [board.model, board.cpu, f"{board.cores} cores", board.machine]))
    legend = "".join(
        f'<rect x="{_LEFT + 120 * k}" y="62" width="12" height="12" fill="{color}"/>'
        + text(_LEFT + 120 * k + 18, 73, stage)
        for k, (stage, color) in enumerate(_STAGES)
    )
    rows = "".join(_bar(run, _TOP + _ROW * k, _PLOT / longest) for k, run in enumerate(runs))
    return document(
        _WIDTH,
        height,
        text(16, 26, f"{report.model}: latency in ms, p50 by stage and p99", size=16)
        + text(16, 48, f"{where}; {report.created}", color="#666")
        + legend
        + rows,
    )


def lines(soak: Soak, title: str) -> str:
    """Latency, memory and temperature over the time of a soak."""
    curves: list[tuple[str, str, list[float | None]]] = [
        ("latency p50, ms", "#f28e2b", [1e3 * s.latency for s in soak.samples]),
        ("memory, MB", "#4e79a7", [s.memory / 1e6 for s in soak.samples]),
        ("hottest sensor, °C", "#e15759", [s.temperature for s in soak.samples]),
        ("slowest clock, MHz", "#59a14f", [s.mhz for s in soak.samples]),
    ]
    panels = [
        (label, color, values)
        for label, color, raw in curves
        if len(values := [v for v in raw if v is not None]) == len(soak.samples) > 1
    ]
    body = text(16, 26, title, size=16)
    for k, (label, color, values) in enumerate(panels):
        body += _curve(soak.samples, values, label, color, 50 + 130 * k)
    return document(_WIDTH, 60 + 130 * len(panels), body)


def _bar(run: Run, y: float, scale: float) -> str:
    name = text(16, y + 20, run.key)
    if not run.repetitions:
        return name + text(_LEFT, y + 20, run.error[:90], color="#b00")
    x, parts = float(_LEFT), ""
    pale = ' opacity="0.35"' if run.invalid else ""
    for stage, color in _STAGES:
        width = run.value(f"{stage}_p50") * scale
        parts += f'<rect x="{x:.1f}" y="{y + 6}" width="{width:.1f}" height="18" fill="{color}"/>'
        x += width
    end = _LEFT + run.value("latency_p99") * scale
    parts += f'<path d="M{x:.1f} {y + 15}H{end:.1f}m0 -5v10" stroke="#333" fill="none"/>'
    numbers = f"{run.value('latency_p50'):.1f} ms, {run.value('throughput'):.1f} frames/s"
    why = text(_LEFT, y + 37, f"invalid: {'; '.join(run.invalid)}"[:100], color="#b00", size=11)
    return (
        name
        + f"<g{pale}>{parts}</g>"
        + text(end + 8, y + 20, numbers)
        + (why if run.invalid else "")
    )


def _curve(
    samples: Sequence[Sample], values: Sequence[float], label: str, color: str, top: float
) -> str:
    low, high = min(values), max(values)
    max_abs, time = (high - low) or 1.0, samples[-1].seconds
    points = " ".join(
        f"{120 + 700 * s.seconds / time:.1f},{top + 90 - 70 * (v - low) / max_abs:.1f}"
        for s, v in zip(samples, values, strict=True)
    )
    return (
        text(120, top + 8, label)
        + text(16, top + 24, f"{high:.5g}", color="#666")
        + text(16, top + 94, f"{low:.5g}", color="#666")
        + f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>'
        + text(760, top + 110, f"{time:.0f} s", color="#666")
    )
