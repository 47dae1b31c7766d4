"""`edge tune`: find the fastest runtime and number of threads for a model on this board."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edge import board, choices
from edge.backends import BACKENDS, host
from edge.backends.base import MOST_THREADS, Precision
from edge.bench.choose import Best, choose, ways
from edge.bench.measure import Settings, measure
from edge.bench.report import Report
from edge.choices import Choice
from edge.cli import options
from edge.errors import BackendError
from edge.io.sources import open_source
from edge.recognize import open_model
from edge.text import printable
from edge.types import Size

HELP = "find the fastest runtime and number of threads for a model here, and keep them"

_SOURCE = "test:conveyor"
_REPETITIONS = 3
_COLUMNS = (
    ("p50 ms", "latency_p50"),
    ("p90 ms", "latency_p90"),
    ("CPU ms", "cpu_per_frame"),
    ("MB", "peak_memory"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--model", required=True, type=Path, metavar="M", help="a .edge package, or a model file"
    )
    parser.add_argument(
        "--backend", nargs="+", choices=tuple(BACKENDS), help="only these; default: all it has"
    )
    parser.add_argument(
        "--threads",
        nargs="+",
        type=options.whole(1, MOST_THREADS),
        metavar="N",
        help="each of these; default: 1, 2, 4 and so on up to one per core",
    )
    parser.add_argument(
        "--imgsz", type=options.parsed(Size.parse), metavar="N|HxW", help="default: the model's own"
    )
    parser.add_argument(
        "--duration",
        type=options.number(0.1, 3600),
        default=4.0,
        metavar="S",
        help="seconds of measuring each way (default 4)",
    )
    parser.add_argument(
        "--force", action="store_true", help="keep the choice though its numbers are in doubt"
    )
    parser.add_argument(
        "--forget", action="store_true", help="measure nothing: drop what was kept for the model"
    )
    parser.add_argument("--json", action="store_true", help="the choice on standard output as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and keep. Returns 0, or 1 when the numbers are in doubt and nothing was kept."""
    package, here = open_model([args.model]).package, board.identify()
    if args.forget:
        there = choices.forget(package, here)
        print("forgotten" if there else "nothing was kept for this model", file=sys.stderr)
        return 0
    cores = host.threads(0)
    configurations = ways(package, args.backend, args.threads or _threads(cores), cores, args.imgsz)
    settings = Settings(_SOURCE, args.duration, _REPETITIONS)
    report = measure(
        args.model, package, configurations, open_source(_SOURCE), settings, progress=_say
    )
    best = choose(report)
    precision: Precision = best.run.precision  # type: ignore[assignment]
    choice = Choice(best.run.backend, precision, best.run.threads, best.reason, report.created)
    kept = None
    if not best.doubts or args.force:
        kept = choices.keep(choice, package, here)
    if args.json:
        document = {
            "backend": choice.backend,
            "precision": choice.precision,
            "threads": choice.threads,
        }
        document |= {"reason": choice.reason, "doubts": list(best.doubts), "kept": kept is not None}
        print(json.dumps({**document, "report": report.as_json()}, ensure_ascii=False))
    else:
        print(_table(report, best))
    for doubt in best.doubts:
        print(f"in doubt: {printable(doubt)}", file=sys.stderr)
    if kept is None:
        raise BackendError(
            "the numbers must not be believed, so nothing is kept; try again when the machine is "
            "quiet and cool, or with --force"
        )
    print(f"kept in {kept}; `edge run` uses it unless told otherwise", file=sys.stderr)
    return 0


def _threads(cores: int) -> list[int]:
    """1, 2, 4 and so on, and all cores."""
    counts = [1 << k for k in range(cores.bit_length()) if 1 << k < cores]
    return [*counts, cores]


def _table(report: Report, best: Best) -> str:
    wide = max(len(each.key) for each in report.runs)
    heads = " ".join(f"{head:>9}" for head, _ in _COLUMNS)
    lines = [f"{'':{wide}}  {heads}"]
    for each in report.runs:
        if not each.repetitions:
            lines.append(f"{each.key:{wide}}  failed: {printable(each.error)}")
            continue
        cells = " ".join(f"{each.value(name):9.1f}" for _, name in _COLUMNS)
        other = each.precision != report.runs[0].precision
        mark = "  not compared: other arithmetic" if other else "  <-" if each is best.run else ""
        lines.append(f"{each.key:{wide}}  {cells}{mark}")
    return "\n".join([*lines, f"chosen: {printable(best.reason)}"])


def _say(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr)
