"""`edge bench`: how fast a model runs on this machine, with the circumstances."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import get_args

from edge import bundled
from edge.backends import BACKENDS, DEVICES
from edge.backends.base import MOST_THREADS, Precision
from edge.bench import plot
from edge.bench.compare import Comparison, compare
from edge.bench.measure import Configuration, Settings, measure, plan, take_frames
from edge.bench.report import Report, Run, on_device, read
from edge.bench.soak import Sample, Soak, soak
from edge.cli import UsageError, options
from edge.detector import Detector
from edge.io.base import Source
from edge.io.sinks.targets import prepare_file, write_whole
from edge.io.sources import open_source
from edge.package import Package
from edge.recognize import open_model
from edge.redaction import redacted
from edge.text import printable
from edge.types import Size

HELP = "measure how fast a model runs here: start, latency, throughput, frame age, memory"

_COLUMNS = (
    ("p50", "latency_p50"),
    ("p90", "latency_p90"),
    ("p99", "latency_p99"),
    ("pre", "preprocess_p50"),
    ("infer", "inference_p50"),
    ("post", "postprocess_p50"),
    ("frames/s", "throughput"),
    ("age p50", "frame_age_p50"),
    ("age p99", "frame_age_p99"),
    ("CPU", "cpu_per_frame"),
    ("cold", "cold_start"),
    ("load", "load"),
    ("MB", "peak_memory"),
)
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--model",
        default=bundled.MODEL,
        type=Path,
        metavar="M",
        help=f"a .edge package, or a model file; default: the bundled one, {bundled.MODEL.stem}",
    )
    parser.add_argument(
        "--backend",
        nargs="+",
        choices=("all", *BACKENDS),
        metavar="B",
        help=f"every artifact of these, or all; of {', '.join(BACKENDS)}; default: the first "
        "that suits",
    )
    parser.add_argument(
        "--precision", choices=get_args(Precision), help="default: each artifact's own"
    )
    parser.add_argument(
        "--threads",
        nargs="+",
        type=options.whole(0, MOST_THREADS),
        default=[0],
        metavar="N",
        help="each of these; 0 (default): one per core",
    )
    options.add_device_argument(parser)
    parser.add_argument(
        "--imgsz",
        nargs="+",
        type=options.parsed(Size.parse),
        default=[None],
        metavar="N|HxW",
        help="each of these; default: the model's own",
    )
    usual = Settings()
    parser.add_argument(
        "--source",
        default=usual.source,
        metavar="S",
        help=f"where the few frames to work on come from (default {usual.source})",
    )
    parser.add_argument(
        "--duration",
        type=options.parsed(duration),
        default=usual.seconds,
        metavar="T",
        help="of measuring each configuration: 10, 90s, 5m (default 10 s)",
    )
    parser.add_argument(
        "--repeat",
        type=options.whole(3),
        default=usual.repetitions,
        metavar="N",
        help="processes per configuration, in turns; at least 3 (default 5)",
    )
    parser.add_argument(
        "--fps",
        type=options.number(0.1, 1000),
        default=usual.rate,
        metavar="F",
        help="frames/s of the camera that frame age is measured with (default 30)",
    )
    parser.add_argument(
        "--soak",
        type=options.parsed(duration),
        metavar="T",
        help="instead, work without a pause for so long (30m, 8h) and watch memory and latency",
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="kept: power supply, cooling")
    parser.add_argument("--json", action="store_true", help="the whole report on standard output")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write an image (SVG)")
    parser.add_argument(
        "--share",
        type=Path,
        metavar="FILE",
        help="write the report, to give to others or for --against; nothing is sent",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="compare with an earlier report; status 1 when worse beyond the noise of both",
    )


def run(args: argparse.Namespace) -> int:
    """Measure. Returns 0, or 1 when something failed, is invalid or got worse."""
    package = open_model([args.model]).package
    configurations = _plan(args, package)
    earlier = None if args.against is None else read(args.against)
    source = _source(args)
    if args.soak is not None:
        return _soak(args, configurations, source)
    settings = Settings(
        source=args.source if args.source.startswith("test:") else "own images",
        seconds=args.duration,
        repetitions=args.repeat,
        rate=args.fps,
    )
    report = measure(
        args.model,
        package,
        configurations,
        source,
        settings,
        note=redacted(args.note),
        progress=_say,
    )
    text = json.dumps(report.as_json(), ensure_ascii=False)
    if args.share is not None:
        write_whole(args.share, f"{text}\n".encode())
    if args.plot is not None:
        write_whole(args.plot, plot.bars(report).encode())
    print(text if args.json else _table(report))
    failed = not report.valid
    if earlier is not None:
        try:
            comparison = compare(earlier, report)
        except ValueError as error:
            raise UsageError(f"--against {args.against}: {error}") from error
        print(_changes(comparison), file=sys.stderr if args.json else sys.stdout)
        failed |= not comparison.passed
    return 1 if failed else 0


def duration(text: str) -> float:
    """Seconds from "90", "90s", "5m" or "8h".

    Raises:
        ValueError: The text has another form, or is no time.
    """
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh]?)", text.strip())
    if match is None or float(match[1]) == 0:
        raise ValueError(f"a duration is a number of s, m or h above 0, as in 90s, got {text!r}")
    return float(match[1]) * _UNITS[match[2]]


def _plan(args: argparse.Namespace, package: Package) -> tuple[Configuration, ...]:
    backends = args.backend
    if backends is not None and "all" in backends:
        offering = DEVICES.get(args.device)
        backends = (offering,) if offering else tuple(BACKENDS)
    precision: Precision | None = args.precision
    return plan(package, backends, precision, args.threads, args.imgsz, args.device)


def _source(args: argparse.Namespace) -> Source:
    """The frames' source, once it is sure that the results can be written."""
    source = open_source(args.source)
    try:
        for file in filter(None, (args.plot, args.share)):
            if file.is_dir():
                raise UsageError(f"{file} is a folder; wanted a file")
            prepare_file(file, source)
    except BaseException:
        source.close()
        raise
    return source


def _soak(
    args: argparse.Namespace, configurations: tuple[Configuration, ...], source: Source
) -> int:
    frames = take_frames(source)
    if len(configurations) != 1:
        some = "; ".join(map(str, configurations))
        raise UsageError(f"--soak takes one configuration, these are {len(configurations)}: {some}")
    if args.share is not None or args.against is not None:
        raise UsageError("--share and --against are for reports, which --soak does not make")
    one = configurations[0]
    try:
        detector = Detector.load(
            args.model,
            backend=one.artifact.backend,
            precision=one.precision,
            threads=one.threads,
            device=one.device,
            imgsz=one.input,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    with detector:
        title = f"{detector.spec.family} at {detector.spec.input}, "
        title += f"{on_device(one.artifact.backend, one.device)} "
        title += f"{detector.backend.precision}, {detector.backend.threads} threads"
        result = soak(detector, frames, args.soak, progress=_say_sample)
    if args.plot is not None:
        write_whole(args.plot, plot.lines(result, title).encode())
    print(json.dumps({"model": title, **result.as_json()}) if args.json else _trends(result, title))
    return 1 if result.problems or result.interrupted else 0


def _say(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr)


def _say_sample(sample: Sample) -> None:
    _say(f"{sample.seconds:.0f} s: {1e3 * sample.latency:.1f} ms, {sample.memory / 1e6:.1f} MB")


def _table(report: Report) -> str:
    board = report.board
    memory = "" if board.memory is None else f"{board.memory / 1e9:.1f} GB"
    where = ", ".join(
        filter(None, [board.model, board.cpu, f"{board.cores} cores", memory, board.machine])
    )
    wide = max(len(run.key) for run in report.runs)
    lines = [
        f"{printable(report.model)}: median of {report.settings['repetitions']} processes; ms",
        f"{where}; Linux {board.kernel}",
        f"{'':{wide}}  " + " ".join(f"{head:>8}" for head, _ in _COLUMNS) + "  model",
    ]
    for run in report.runs:
        if run.repetitions:
            cells = " ".join(f"{run.value(name):8.1f}" for _, name in _COLUMNS)
            lines.append(f"{run.key:{wide}}  {cells}  {run.model_bytes / 1e6:.1f} MB")
            lines.append(f"{'':{wide}}  {_circumstances(run)}")
        lines += [f"{run.key:{wide}}  INVALID: {printable(reason)}" for reason in run.invalid]
    return "\n".join(lines)


def _circumstances(run: Run) -> str:
    """Clocks, heat and company during a configuration's repetitions."""
    parts = []
    first, last = run.repetitions[0].before, run.repetitions[-1].after
    if last.clocks:
        governors = ", ".join(sorted({c.governor for c in last.clocks if c.governor}))
        slowest = [min(c.mhz for c in state.clocks) for state in (first, last) if state.clocks]
        clocks = " -> ".join(f"{mhz:.0f}" for mhz in slowest)
        parts.append(f"{clocks} MHz" + (f" ({governors})" if governors else ""))
    heat = [state.hottest for state in (first, last)]
    if None not in heat:
        parts.append(" -> ".join(f"{value:.0f}" for value in heat) + " °C")
    others = [r.others for r in run.repetitions if r.others is not None]
    if others:
        parts.append(f"others {max(others):.2f} cores")
    if last.past_limits:
        parts.append(f"since boot: {', '.join(last.past_limits)}")
    return "; ".join(parts)


def _changes(comparison: Comparison) -> str:
    lines = [f"not compared: {printable(reason)}" for reason in comparison.refused]
    shown = [change for change in comparison.changes if change.worse or change.better]
    for change in shown:
        word = "WORSE" if change.worse else "better"
        percent = (change.after / change.before - 1) if change.before else 0.0
        lines.append(
            f"{word:6} {change.key}: {change.label} {change.before:.2f} -> {change.after:.2f} "
            f"{change.unit} ({percent:+.1%}; noise {change.noise:.2f})"
        )
    if comparison.changes and not shown:
        lines.append(f"no change beyond the noise in {len(comparison.changes)} numbers")
    return "\n".join(lines)


def _trends(result: Soak, title: str) -> str:
    frames = sum(sample.frames for sample in result.samples)
    lines = [f"{title}: {frames} frames" + (", interrupted" if result.interrupted else "")]
    for label, trend, scale, unit in (
        ("memory", result.memory, 1e-6, "MB"),
        ("latency", result.latency, 1e3, "ms"),
    ):
        if trend is not None:
            lines.append(
                f"{label:8} {scale * trend.median:.2f} {unit}, {scale * trend.rise:+.3f} {unit} "
                f"over the time, noise {scale * trend.noise:.3f}"
            )
    temperatures = [s.temperature for s in result.samples if s.temperature is not None]
    if temperatures:
        lines.append(f"heat     {temperatures[0]:.0f} °C at first, {max(temperatures):.0f} at most")
    lines += [f"PROBLEM: {problem}" for problem in result.problems]
    return "\n".join(lines)
