"""python -m tests.bench.readme [--write]: the measured tables of the README, by our own commands.

Needs EDGE_SHARED or the shared data beside the checkout, every runtime, and a machine that does
nothing else: a speed that must not be believed is left out, with the reason, and the status is 1.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "arm")]

import every_backend
import tables

from edge.bench.report import Report, Run
from edge.package import write

KERNELS = (
    "letterbox BGR", "letterbox NV12", "distances sparse", "distances sparse int8", "rows sparse",
    "nms 2000",
)  # fmt: skip
BEGIN, END = "<!-- tests/bench/readme.py from here -->", "<!-- to here -->"


def edge(*words: str | Path) -> dict[str, Any]:
    """The JSON that a command prints; its progress goes to standard error."""
    command = [sys.executable, "-m", "edge", *map(str, words), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout:
        raise SystemExit(f"{' '.join(command)}: status {done.returncode}, no answer")
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def accuracy(models: dict[str, Path], data: Path) -> list[str]:
    """AP of each model, and of the smallest one on each runtime."""
    rows = ["| model | runtime | AP | AP50 | file |", "|---|---|---|---|---|"]
    for name, model in models.items():
        artifacts = edge("inspect", model)["artifacts"]
        for artifact in artifacts if name.endswith("-S") else artifacts[:1]:
            backend = artifact["backend"]
            words = ["--model", model, "--backend", backend, "--threads", "1", "--data", data]
            result = edge("eval", *words)
            size = sum(artifact["bytes"].values()) / 1e6
            rows.append(
                f"| {name} | {backend} {result['precision']} | {result['AP']:.4f} | "
                f"{result['AP50']:.4f} | {size:.1f} MB |"
            )
    return rows


def speed(model: Path, seconds: str) -> tuple[list[str], bool]:
    """Latency and so on of each runtime; whether all of it may be believed."""
    threads = sorted({1, os.cpu_count() or 1})
    report = Report.from_json(
        edge(
            "bench", "--model", model, "--backend", "all", "--duration", seconds,
            "--threads", *map(str, threads),
        )
    )  # fmt: skip
    board = report.board
    versions = {k: v for run in report.runs for k, v in run.versions.items()}
    message = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    governors = {
        clock.governor or "unknown"
        for run in report.runs
        for each in run.repetitions
        for clock in each.after.clocks
    }
    rows = [
        f"{board.model or 'Virtual machine'}, {board.cpu}, {board.cores} cores, Linux "
        f"{board.kernel}, governor {', '.join(sorted(governors)) or 'unknown'}; {message}. Median "
        f"of {report.settings['repetitions']} processes that take turns, {seconds} of measuring "
        f"each, frames of 640x480, network input 320x320; frame age with a camera of 30 frames/s.",
        "",
        "| runtime | latency p50 / p90 / p99 | frames/s | frame age p99 | CPU per frame "
        "| cold start | memory |",
        "|---|---|---|---|---|---|---|",
        *map(_row, report.runs),
    ]
    return rows, report.valid


def _row(run: Run) -> str:
    name = f"{run.backend} {run.precision}, {run.threads} thread{'s' if run.threads > 1 else ''}"
    if run.invalid:
        return f"| {name} | not valid: {'; '.join(run.invalid)} | | | | | |"

    def value(metric: str, digits: int = 1) -> str:
        return f"{run.value(metric):.{digits}f}"

    return (
        f"| {name} | {value('latency_p50')} / {value('latency_p90')} / {value('latency_p99')} ms "
        f"| {value('throughput')} | {value('frame_age_p99')} ms | {value('cpu_per_frame')} ms "
        f"| {value('cold_start', 0)} ms | {value('peak_memory', 0)} MB |"
    )


def arm() -> list[str]:
    """Some kernels on ARM: counted instructions, which are no time."""
    return tables.kernels(KERNELS)


def main() -> int:
    """Print the tables, or put them into the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into the README, between its marks")
    parser.add_argument("--duration", default="10s", help="of measuring each configuration")
    parser.add_argument("--no-speed", action="store_true", help="only what does not depend on time")
    args = parser.parse_args()
    shared = Path(os.environ.get("EDGE_SHARED") or ROOT.parent / "shared")
    lines, valid = [], True
    with tempfile.TemporaryDirectory() as folder:
        models = {}
        for size in "sml":
            models[f"YOLOv6Lite-{size.upper()}"] = path = Path(folder) / f"lite-{size}.edge"
            write(every_backend.package(shared, size), path)
        lines += accuracy(models, shared / "data" / "coco" / "val")
        if not args.no_speed:
            rows, valid = speed(models["YOLOv6Lite-S"], args.duration)
            lines += ["", "Speed of YOLOv6Lite-S. " + rows[0], *rows[1:]]
    lines += ["", *arm()]
    text = "\n".join(lines)
    if args.write:
        readme = ROOT / "README.md"
        before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
        _, mark, after = rest.partition(END)
        if not mark:
            raise SystemExit(f"README.md has no marks {BEGIN} and {END}")
        readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    else:
        print(text)
    return 0 if valid else 1


if __name__ == "__main__":
    sys.exit(main())
