"""The course of a training: a table and an image."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import CalibrationError

Row = Mapping[str, float]

_WIDTH, _HEIGHT, _MARGIN = 720, 300, 48
_COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd")
_NOT_LOSSES = frozenset({"epoch", "AP", "AP50", "seconds", "cpu_seconds"})


def dumps(rows: Sequence[Row]) -> str:
    """The rows as JSON."""
    return json.dumps([dict(row) for row in rows])


def loads(text: str) -> list[dict[str, float]]:
    """What `dumps` wrote."""
    rows: list[dict[str, float]] = json.loads(text)
    return rows


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write `log.csv` and `curve.svg`, each whole or not at all.

    Raises:
        CalibrationError: The disk refuses.
    """
    for name, text in (("log.csv", table(rows)), ("curve.svg", curve(rows))):
        path = folder / name
        partial = path.with_name(f".{name}.{os.getpid()}")
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise CalibrationError(f"{path}: {error.strerror}") from error


def table(rows: Sequence[Row]) -> str:
    """One line for each epoch; a column that an epoch does not have is empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: int(v) if k == "epoch" else f"{v:.5g}" for k, v in row.items()})
    return text.getvalue()


def curve(rows: Sequence[Row]) -> str:
    """The losses, each as a share of its highest, and the AP, over the epochs: SVG."""
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _NOT_LOSSES))
    last = max((row["epoch"] for row in rows), default=1.0)
    right, bottom = _WIDTH - _MARGIN, _HEIGHT - _MARGIN

    def line(name: str, highest: float, style: str) -> str:
        places = " ".join(
            f"{_MARGIN + (row['epoch'] / last) * (right - _MARGIN):.1f},"
            f"{bottom - row[name] / highest * (bottom - _MARGIN / 2):.1f}"
            for row in rows
            if name in row
        )
        return f'<polyline fill="none" {style} points="{places}"/>'

    def text(x: float, y: float, words: str, color: str = "#333", anchor: str = "start") -> str:
        return f'<text x="{x}" y="{y}" fill="{color}" text-anchor="{anchor}">{words}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<path d="M{_MARGIN} {_MARGIN / 2}V{bottom}H{right}" fill="none" stroke="#333"/>',
        text(_MARGIN - 6, _MARGIN / 2 + 4, "1", anchor="end"),
        text(_MARGIN - 6, bottom + 4, "0", anchor="end"),
        text(right, bottom + 16, f"epoch {last:.0f}", anchor="end"),
    ]
    legend = float(_MARGIN)
    for name in [*(n for n in ("AP50", "AP") if any(n in row for row in rows)), *names]:
        if name in ("AP", "AP50"):
            color = "#000" if name == "AP" else "#888"
            parts.append(line(name, 1.0, f'stroke="{color}" stroke-width="2"'))
            words = name
        else:
            color = _COLORS[names.index(name) % len(_COLORS)]
            highest = max(1e-12, *(row[name] for row in rows if name in row))
            parts.append(line(name, highest, f'stroke="{color}" stroke-dasharray="4 2"'))
            words = f"{name} loss / {highest:.3g}"
        parts.append(text(legend, _HEIGHT - 12, words, color))
        legend += 8.0 * len(words) + 8
    return "\n".join([*parts, "</svg>", ""])
