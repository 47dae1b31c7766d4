"""The page of a report: one HTML file without scripts, fonts or links."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from calibration.report import figures
from calibration.report.facts import Facts, Layer, Row, Scheme
from calibration.report.style import STYLE
from edge.evaluate import Agreement
from edge.io import opencv
from edge.io.draw import annotate
from edge.types import Detections, Frame, UInt8Array

_SHOWN = 0.3  # score from which a box is drawn: that of the agreement
_WIDTH = 420  # pixels of an image on the page


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An image on which INT8 and float differ.

    Attributes:
        name: Of the image.
        image: (H, W, 3) uint8 BGR.
        float_: What the float model finds.
        int8: What the INT8 model finds.
        runtime: Of the latter.
        agreement: The two.
    """

    name: str
    image: UInt8Array
    float_: Detections
    int8: Detections
    runtime: str
    agreement: Agreement


def page(facts: Facts, pairs: Sequence[Pair]) -> str:
    """The whole file.

    Args:
        facts: What to show.
        pairs: The images that agree worst.

    Raises:
        NotInstalledError: OpenCV, which draws, is not installed.
    """
    parts = [
        _head(facts),
        _targets(facts),
        *(_scheme(each) for each in facts.schemes),
        _runtimes(facts),
        _images(facts, pairs),
        _circumstances(facts),
    ]
    title = f"{facts.name}: INT8 calibration"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_words(title)}</title><style>{STYLE}</style></head><body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def _head(facts: Facts) -> str:
    worst = min(facts.targets, key=lambda target: target.row.agreement.ap)
    text = (
        f"{len(facts.labels)} classes, {facts.input}, {facts.observed} images observed, "
        f"{facts.held_out} others judge. Lowest agreement with float: "
        f"{_pair(worst.row.agreement)} ({worst.name}); wanted: {facts.limits}."
    )
    warnings = "".join(f"<li>{_words(warning)}</li>" for warning in facts.warnings)
    return (
        f"<header><h1>{_words(facts.name)}</h1><p>{_words(facts.family)}, INT8 by "
        f"<code>edge calibrate</code> {_words(facts.version)}, {_words(facts.created)}</p>"
        f"<p>{_words(text)}</p>" + (f"<ul>{warnings}</ul>" if warnings else "") + "</header>"
    )


def _targets(facts: Facts) -> str:
    labeled = any(target.row.labels for target in facts.targets)
    heads = ["runtime", "AP / AP50", "recall", "precision", "INT8 layers", "float work"]
    heads += ["AP by labels", "change", ""] if labeled else []
    heads += ["size", "latency", "against float"]
    max_abs = _scale_of(target.row for target in facts.targets)
    rows = []
    for target in facts.targets:
        cells = [
            f"<b>{_words(target.name)}</b>",
            f"{_pair(target.row.agreement)}",
            _percent(target.row.agreement.recall),
            _percent(target.row.agreement.precision),
            f"{target.int8_layers} of {target.int8_layers + target.float_layers}",
            _percent(target.float_operations),
            *(_label_cells(target.row, max_abs) if labeled else []),
            f"{target.size / 1e6:.2f} MB <small>of {target.float_size / 1e6:.2f}</small>",
            f"{1e3 * target.latency:.1f} ms <small>of {1e3 * target.float_latency:.1f}</small>",
            f"{target.faster:.2f} times",
        ]
        rows.append(cells)
    note = (
        "Agreement takes what the float network finds above .3 as the truth, in the real runtime, "
        "on images that were not calibrated with. Recall and precision pair one to one, same "
        "class, IoU above .5, both scores above .3."
    )
    if labeled:
        note += " Changes by labels have a 95 % interval of a paired bootstrap over images."
    return f"<section><h2>Result</h2>{_table(heads, rows)}<p class=note>{note}</p></section>"


def _scheme(scheme: Scheme) -> str:
    labeled = any(row.labels for row in scheme.rows)
    max_abs = _scale_of(scheme.rows)
    rows = [
        [
            _words(row.name),
            _pair(row.agreement),
            figures.shares(row.agreement.ap),
            _percent(row.agreement.recall),
            _percent(row.agreement.precision),
            *(_label_cells(row, max_abs) if labeled else []),
        ]
        for row in scheme.rows
    ]
    heads = ["rounded", "AP / AP50", "", "recall", "precision"]
    heads += ["AP by labels", "change", ""] if labeled else []
    names = ", ".join(scheme.targets)
    parts = [
        f"<section><h2>{_words(scheme.name.capitalize())} grids "
        f"<small>{_words(names)}</small></h2>",
        "<h3>Where agreement is lost</h3>" + _table(heads, rows),
    ]
    if any(layer.cost is not None for layer in scheme.layers):
        parts.append(
            "<h3>What each layer costs</h3><figure>"
            + figures.costs(scheme.layers)
            + "<figcaption>How far the heads move from the float network's when this layer alone "
            "is rounded. Hollow: it stays float.</figcaption></figure>"
        )
    if len(scheme.curve) > 1:
        parts.append(
            "<h3>Agreement over float layers</h3><figure>"
            + figures.curve(scheme.curve)
            + "</figure>"
        )
    parts.append(_layers(scheme.layers))
    return "".join(parts) + "</section>"


def _layers(layers: Sequence[Layer]) -> str:
    heads = ["layer", "", "work", "cost", "values of its input", "clipped", "precision"]
    rows = [
        [
            f"<code>{_words(layer.name)}</code>",
            _words(layer.kind),
            _percent(layer.operations),
            "" if layer.cost is None else f"{layer.cost:.3g}",
            figures.spread(layer.histogram, layer.clip),
            f"{100 * layer.clipped:.3f} %" if layer.clip else "",
            f"float: {_words(layer.why_float)}" if layer.why_float else "INT8",
        ]
        for layer in layers
    ]
    kept = sum(bool(layer.why_float) for layer in layers)
    return (
        f"<details><summary>{len(layers)} layers, {kept} of them float: ranges and histograms"
        f"</summary>{_table(heads, rows)}<p class=note>Counts are on a logarithmic scale; the "
        "lines are the ends of the range that codes cover.</p></details>"
    )


def _runtimes(facts: Facts) -> str:
    heads = ["runtime", "AP / AP50 against its simulation", "output", "simulated", "runtime"]
    rows = []
    for target in facts.targets:
        for number, (name, (simulated, measured)) in enumerate(target.noise.items()):
            first = [f"<b>{_words(target.name)}</b>", _pair(target.simulated)]
            rows.append(
                [
                    *(first if number == 0 else ["", ""]),
                    f"<code>{_words(name)}</code>",
                    f"{simulated:.1f} dB",
                    f"{measured:.1f} dB",
                ]
            )
    note = (
        "Signal to noise of each output against the float network: what the plan promises, and "
        "what the runtime gives. Two right implementations differ by rare steps of one code."
    )
    return (
        "<section><h2>Simulation and runtime</h2>"
        f"{_table(heads, rows)}<p class=note>{note}</p></section>"
    )


def _images(facts: Facts, pairs: Sequence[Pair]) -> str:
    if not pairs:
        return ""
    shown = []
    for pair in pairs:
        sides = (("float", pair.float_), (f"INT8, {pair.runtime}", pair.int8))
        for words, detections in sides:
            image = _image(pair.image, detections[detections.scores >= _SHOWN], facts.labels)
            shown.append(f'<figure><img alt="{_words(words)}" src="{image}">')
            shown.append(f"<figcaption>{_words(words)}</figcaption></figure>")
        agreement = pair.agreement
        shown.append(
            f"<p class=note>{_words(pair.name)}: {agreement.expected} found in float, "
            f"{agreement.detections} in INT8, {agreement.agreed} of them the same.</p>"
        )
    return (
        "<section><h2>Where they differ most</h2><div class=pairs>"
        + "".join(shown)
        + "</div></section>"
    )


def _circumstances(facts: Facts) -> str:
    total = sum(facts.seconds.values())
    rows = [
        ["recipe", f"{_words(facts.recipe)}, seed {facts.seed}"],
        ["network", f"<code>{facts.model_sha256[:16]}</code>"],
        ["images", f"{facts.observed}, <code>{facts.images_sha256[:16]}</code>"],
        ["machine", _words(facts.machine)],
        *([_words(stage), f"{taken:.1f} s"] for stage, taken in facts.seconds.items()),
        ["in all", f"{total:.1f} s"],
    ]
    return f"<section><h2>How it was made</h2>{_table(['', ''], rows)}</section>"


def _label_cells(row: Row, max_abs: float) -> list[str]:
    change = row.labels.get("AP")
    if change is None:
        return ["", "", ""]
    low, high = (f"{100 * v:+.1f}" for v in (change.low, change.high))
    return [
        f"{100 * change.after:.1f} <small>of {100 * change.before:.1f}</small>",
        f"{100 * (change.after - change.before):+.1f} <small>{low} … {high}</small>",
        figures.whiskers(change, max_abs),
    ]


def _scale_of(rows: Iterable[Row]) -> float:
    """Points that the scale of changes goes to on either side."""
    ends = [abs(100 * v) for row in rows for c in [row.labels.get("AP")] if c
            for v in (c.low, c.high, c.after - c.before)]  # fmt: skip
    greatest = max([e for e in ends if e == e] + [0.0])
    return next((r for r in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if greatest <= r), 100.0)


def _image(image: UInt8Array, detections: Detections, labels: Sequence[str]) -> str:
    """A data URI: the image, small, with its boxes."""
    cv2 = opencv.load("drawing")
    ratio = min(1.0, _WIDTH / image.shape[1])
    size = round(image.shape[1] * ratio), max(1, round(image.shape[0] * ratio))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    scaled = Detections(
        detections.boxes * detections.boxes.dtype.type(ratio),
        detections.scores,
        detections.class_ids,
    )
    drawn = annotate(Frame.of(small), scaled, labels)
    _, data = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are HTML."""
    head = "".join(f"<th>{_words(words)}</th>" for words in heads)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>" for cells in rows)
    shown = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    return f"<div class=wide><table>{shown}<tbody>{body}</tbody></table></div>"


def _pair(agreement: Agreement) -> str:
    if agreement.ap < 0:
        return "nothing to compare"
    return f"{100 * agreement.ap:.1f} / {100 * agreement.ap50:.1f}"


def _percent(value: float) -> str:
    return "-" if value < 0 else f"{100 * value:.1f} %"


def _words(text: str) -> str:
    """Text of others as HTML."""
    return escape("".join(c if c.isprintable() else "?" for c in text))
