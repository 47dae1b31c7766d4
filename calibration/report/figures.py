"""The figures of a report: inline SVG, drawn in the colors of the page.

They carry classes instead of colors, so that the page's style sheet serves light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from calibration.report.facts import Histogram, Layer, Point
from edge.evaluate.bootstrap import Difference
from edge.svg import text

_INK = "currentColor"


def costs(layers: Sequence[Layer]) -> str:
    """A bar for each layer in the order of the network: what rounding it costs."""
    width, height, base = 900.0, 210.0, 180.0
    known = [layer for layer in layers if layer.cost is not None]
    highest = max((layer.cost or 0.0 for layer in known), default=0.0) or 1.0
    step = (width - 60) / max(1, len(layers))
    body = _axis(52, base, width - 8, [(0.0, "0"), (highest, f"{highest:.3g}")], 150.0)
    for index, layer in enumerate(layers):
        tall = 150.0 * max(0.0, layer.cost or 0.0) / highest
        kind = "float" if layer.why_float else "int8"
        label = f"{layer.name}: {layer.kind}, {100 * layer.operations:.1f} % of the work"
        label += f", {layer.why_float}" if layer.why_float else ", INT8"
        label += "" if layer.cost is None else f", costs {layer.cost:.4g}"
        tall = max(tall, 2.0 if layer.why_float else 0.0)
        body += (
            f'<rect class="{kind}" x="{52 + index * step:.1f}" y="{base - tall:.1f}" '
            f'width="{max(step - 1, 0.8):.1f}" height="{tall:.1f}">{_title(label)}</rect>'
        )
    ends = ("first layer", "start"), ("last layer", "end")
    for (words, anchor), x in zip(ends, (52.0, width - 8), strict=True):
        body += text(x, base + 18, words, color=_INK, size=12, anchor=anchor)
    return _svg(width, height, body, "What rounding each layer costs")


def spread(histogram: Histogram, clip: tuple[float, float] | None) -> str:
    """The values of a tensor, counts on a logarithmic scale, and the range that codes cover."""
    width, height = 180.0, 30.0
    highest = math.log1p(max(histogram.counts, default=0)) or 1.0
    extent = (histogram.high - histogram.low) or 1.0
    step = width / max(1, len(histogram.counts))
    body = "".join(
        f'<rect class="seen" x="{i * step:.1f}" y="{height - h:.1f}" width="{step:.1f}" '
        f'height="{h:.1f}"/>'
        for i, n in enumerate(histogram.counts)
        if (h := height * math.log1p(n) / highest) > 0
    )
    if clip is not None:
        ends = [min(max(0.0, width * (c - histogram.low) / extent), width) for c in clip]
        body += (
            f'<path class="clip" d="M{ends[0]:.1f} 0V{height:.0f}M{ends[1]:.1f} 0V{height:.0f}"/>'
        )
    label = f"values {histogram.low:.4g} to {histogram.high:.4g}"
    label += f"; codes cover {clip[0]:.4g} to {clip[1]:.4g}" if clip else "; float"
    return _svg(width, height, body + _title(label), label)


def curve(points: Sequence[Point]) -> str:
    """Agreement, AP and AP50, over the number of float layers."""
    width, height, left, base, tall = 560.0, 260.0, 52.0, 210.0, 180.0
    values = [100 * v for p in points for v in (p.agreement.ap, p.agreement.ap50)]
    low = 10 * math.floor(min([*values, 90.0]) / 10)
    limit = max([p.layers for p in points] + [1])
    right = width - 60

    def place(layers: int, value: float) -> tuple[float, float]:
        return left + (right - left) * layers / limit, base - tall * (value - low) / (100 - low)

    ticks = [(float(v - low), str(v)) for v in range(int(low), 101, 10 if low < 80 else 5)]
    body = _axis(left, base, right, ticks, tall, scale=100 - low)
    for name, kind in (("ap50", "second"), ("ap", "first")):
        at = [place(p.layers, 100 * getattr(p.agreement, name)) for p in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        body += f'<polyline class="{kind}" points="{line}"/>'
        for (x, y), point in zip(at, points, strict=True):
            label = (
                f"{point.layers} float layers, {100 * point.operations:.1f} % of the work: "
                f"{name.upper()} {100 * getattr(point.agreement, name):.1f}"
            )
            body += (
                f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3">{_title(label)}</circle>'
            )
        if at:
            words = name.upper()
            body += text(right + 8, at[-1][1] + 4, words, color=_INK, size=12)
    for point in points:
        x, _ = place(point.layers, 100)
        body += text(x, base + 18, str(point.layers), color=_INK, size=12, anchor="middle")
    words = "layers that stay float by choice"
    body += text((left + right) / 2, base + 38, words, color=_INK, size=12, anchor="middle")
    return _svg(width, height, body, "Agreement over the number of float layers")


def whiskers(change: Difference, max_abs: float) -> str:
    """A change with its interval, in points, on a scale of -max_abs to max_abs."""
    width, height, middle = 160.0, 18.0, 9.0

    def x(value: float) -> float:
        return width / 2 * (1 + min(max(value / max_abs, -1.0), 1.0))

    lost = 100 * (change.after - change.before)
    low, high = (100 * v for v in (change.low, change.high))
    body = f'<path class="axis" d="M{width / 2} 0V{height}"/>'
    if math.isfinite(low) and math.isfinite(high):
        body += (
            f'<path class="whisker" d="M{x(low):.1f} {middle}H{x(high):.1f}'
            f'M{x(low):.1f} 5v8M{x(high):.1f} 5v8"/>'
        )
    body += f'<circle class="first" cx="{x(lost):.1f}" cy="{middle}" r="3"/>'
    label = f"{lost:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}; scale ±{max_abs:g}"
    return _svg(width, height, body + _title(label), label)


def shares(value: float, minimum: float = 0.0) -> str:
    """A share of one as a bar, with a mark where the limit is."""
    width, height = 110.0, 10.0
    body = (
        f'<rect class="track" width="{width}" height="{height}"/>'
        f'<rect class="int8" width="{width * min(max(value, 0.0), 1.0):.1f}" height="{height}"/>'
    )
    if minimum > 0:
        body += f'<path class="clip" d="M{width * minimum:.1f} 0V{height}"/>'
    return _svg(width, height, body, f"{100 * value:.1f} %")


def _axis(
    left: float,
    base: float,
    right: float,
    ticks: Sequence[tuple[float, str]],
    tall: float,
    scale: float | None = None,
) -> str:
    """Horizontal lines with numbers at their left."""
    top = scale or max((value for value, _ in ticks), default=1.0) or 1.0
    body = ""
    for value, words in ticks:
        y = base - tall * value / top
        body += f'<path class="axis" d="M{left:.1f} {y:.1f}H{right:.1f}"/>'
        body += text(left - 6, y + 4, words, color=_INK, size=12, anchor="end")
    return body


def _svg(width: float, height: float, body: str, name: str) -> str:
    return (
        f'<svg role="img" aria-label="{_escaped(name)}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">{body}</svg>'
    )


def _title(words: str) -> str:
    return f"<title>{_escaped(words)}</title>"


def _escaped(words: str) -> str:
    return escape("".join(c if c.isprintable() else "?" for c in words))
