"""python -m tests.board: milliseconds of a board, estimated without it.

    python -m tests.board count FOLDER    count and price what counts.json lacks; an hour for all
    python -m tests.board page            write ESTIMATES.md and estimates.json of committed counts,
                                          and print the table of edge/docs/explanation/boards.md
    python -m tests.board compare FILE --board "Raspberry Pi 5" --model YOLOv6-n
                                          a report of `edge bench --share` beside the estimate

FOLDER has the networks of ncnn's benchmark, NAME.param, and networks.txt with "NAME WIDTH HEIGHT"
a line. To count, build/arm is needed (bash tests/arm/build) and LLVM 19 (apt-get install llvm-19).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edge.bench import report
from edge.errors import EdgeError
from tests.board import compare, page
from tests.board.machines import BOARDS, CPUS

HERE = Path(__file__).resolve().parent
COUNTS = HERE / "counts.json"
BUILD = HERE.parents[1] / "build"


def count(folder: Path) -> None:
    """Add to counts.json what it lacks; each figure is written as soon as it is known."""
    from itertools import chain

    from tests.board import counting, pricing

    arm = Path(os.environ.get("EDGE_ARM") or BUILD / "arm")
    counting.built(BUILD / "board")
    prices = pricing.Prices(BUILD / "board" / "prices.json")
    known: dict[str, Any] = json.loads(COUNTS.read_text())
    known["versions"] |= _versions(arm)
    with tempfile.TemporaryDirectory() as made:
        for case in chain(counting.published(folder), counting.ours(Path(made))):
            each = known["counts"][case.cpu].setdefault(case.name, {})
            if str(case.threads) not in each:
                blocks = counting.count(case, arm, BUILD / "board")
                each[str(case.threads)] = pricing.cost(blocks, CPUS[case.cpu].scheduling, prices)
                COUNTS.write_text(_lines(known))


def _versions(arm: Path) -> dict[str, str]:
    """Of what takes part in a count."""
    packages = ("ncnn", "MNN", "ai-edge-litert", "onnxruntime")
    code = f"from importlib.metadata import version as v; print(*map(v, {packages}))"
    run = [
        [arm / "python", "-c", code],
        ["qemu-aarch64", "--version"],
        ["llvm-mca-19", "--version"],
    ]
    runtimes, qemu, llvm = (subprocess.check_output(each, text=True) for each in run)
    tools = {"qemu": qemu.split()[2], "llvm": llvm.partition("LLVM version ")[2].split()[0]}
    return dict(zip(packages, runtimes.split(), strict=True)) | tools


def _lines(known: dict[str, Any]) -> str:
    """JSON with a line a network."""
    cpus = []
    for cpu, networks in known["counts"].items():
        rows = (
            f"{json.dumps(name)}: {json.dumps(each)}" for name, each in sorted(networks.items())
        )
        cpus.append(f'"{cpu}": {{\n' + ",\n".join(rows) + "\n}")
    versions = json.dumps(known["versions"])
    return f'{{\n"versions": {versions},\n"counts": {{\n' + ",\n".join(cpus) + "\n}\n}\n"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.board",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("count").add_argument("folder", type=Path)
    commands.add_parser("page")
    compared = commands.add_parser("compare")
    compared.add_argument("file", type=Path)
    compared.add_argument("--board", choices=sorted(BOARDS), required=True)
    compared.add_argument("--model", choices=page.OURS, required=True)
    args = parser.parse_args()
    try:
        if args.command == "count":
            count(args.folder)
        elif args.command == "page":
            figures = page.figures()
            (HERE / "estimates.json").write_text(json.dumps(figures, indent=1) + "\n")
            (HERE / "ESTIMATES.md").write_text(page.text(figures))
            print(page.guide(figures), end="")
        else:
            print(compare.table(report.read(args.file), args.board, args.model))
    except EdgeError as error:
        print(f"tests.board: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
