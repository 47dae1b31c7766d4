"""python -m tests.bench.structure: the size of the code, its imports, and the way of a command.

A room is a folder, or a file at the top of `edge` or `calibration`. Its floor is the longest chain
of imports below it; rooms that import each other in a circle share one. With --trace, `edge
calibrate` is run on a small trained network and twelve drawn images (two minutes; it needs the
extras that calibrate and learn), and every call from one file to another is noted, whatever foreign
code lies between. One that leads to a higher floor is a callback: what it calls was handed down.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "calibration")
COMPILED = "edge._native"  # in the package, but no Python
SUFFIXES = {".py", ".pyi", ".c", ".cpp", ".h", ".inl"}
LINE = ["--imgsz", "160", "--threads", "1", "--min-agreement", "70/90"]

Edges = Counter[tuple[str, str]]


def sizes() -> dict[str, dict[str, int]]:
    """Files and lines of source by top-level folder, of what git knows."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    results: dict[str, Counter[str]] = defaultdict(Counter)
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in SUFFIXES and path.is_file() and len(path.relative_to(ROOT).parts) > 1:
            results[name.partition("/")[0]] += Counter(
                files=1, lines=len(path.read_text().splitlines())
            )
    return {name: dict(count) for name, count in sorted(results.items())}


@cache
def modules() -> dict[str, Path]:
    """The files of the packages by the names that they are imported by."""
    paths = (path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
    return {".".join(_parts(path)): path for path in sorted(paths)}


def _parts(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports() -> Edges:
    """Which module imports which, in functions too, and how many lines do."""
    result: Edges = Counter()
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            result.update((name, other) for other in set(_imported(node)) - {name})
    return result


def _imported(node: ast.AST) -> Iterable[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if name in modules() or name == COMPILED else node.module for name in names]
    return (name for name in names if name in modules())


def room(module: str) -> str:
    """The folder that a module is in, or the module where that is a package's own."""
    folder = modules()[module].parent.relative_to(ROOT).parts
    return ".".join(folder) if len(folder) > 1 else module


def between_rooms(edges: Edges) -> Edges:
    """Of imports or calls between modules those between rooms: how many pairs of modules."""
    return Counter((room(a), room(b)) for a, b in edges if room(a) != room(b))


def circles(edges: Edges) -> list[frozenset[str]]:
    """The rooms that import each other, straight or by others."""
    below: dict[str, set[str]] = defaultdict(set)
    for a, b in edges:
        below[a].add(b)
    while True:  # until everything that is reached is reached in one step
        more = {
            a: result.union(*(below[b] for b in result if b in below))
            for a, result in below.items()
        }
        if more == below:
            break
        below = defaultdict(set, more)
    ringed = {a for a in below if a in below[a]}
    return sorted(
        {frozenset(b for b in ringed if b in below[a] and a in below[b]) for a in ringed},
        key=sorted,
    )


def floors(edges: Edges) -> dict[str, int]:
    """The floor of each room; 0 imports nothing."""
    ring = {name: group for group in circles(edges) for name in group}
    below: dict[frozenset[str], set[frozenset[str]]] = defaultdict(set)
    for a, b in edges:
        upper, lower = (ring.get(name, frozenset({name})) for name in (a, b))
        if upper != lower:
            below[upper].add(lower)

    @cache
    def floor(group: frozenset[str]) -> int:
        return max((1 + floor(other) for other in below.get(group, ())), default=0)

    names = {name for pair in edges for name in pair}
    return {name: floor(ring.get(name, frozenset({name}))) for name in names}


def trace(run: Callable[[], object]) -> Edges:
    """How often code of one module of ours, whatever lies between, calls code of another."""
    owners = {str(path): name for name, path in modules().items()}
    result: Edges = Counter()

    def note(frame: FrameType, event: str, _: Any) -> None:
        owner = owners.get(frame.f_code.co_filename)
        if event != "call" or owner is None or frame.f_code.co_name == "<module>":
            return
        above = frame.f_back
        while above is not None and above.f_code.co_filename not in owners:
            above = above.f_back
        if above is not None and above.f_code.co_name != "<module>":
            caller = owners[above.f_code.co_filename]
            if caller != owner:
                result[caller, owner] += 1

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return result


def calibrate() -> None:
    """`edge calibrate` with what comes without being asked for, learning too."""
    import cv2

    from edge.cli import main
    from tests.support.cells import BCCD, smear

    with TemporaryDirectory() as name:
        data = Path(name, "smears")
        data.mkdir()
        for seed in range(12):
            cv2.imwrite(str(data / f"{seed:03}.png"), smear(seed))
        line = ["calibrate", str(BCCD), "--data", str(data), "-o", str(Path(name, "cells.edge"))]
        if main([*line, *LINE]):
            sys.exit("the calibration was refused")


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.structure", description=__doc__)
    parser.add_argument("--trace", action="store_true", help="run `edge calibrate` too")
    options = parser.parse_args()
    edges = imports()
    rooms = between_rooms(edges)
    rings = circles(rooms)
    ring = {name: group for group in rings for name in group}
    results: dict[str, Any] = {
        "sizes": sizes(),
        "imports": {
            "modules": len(modules()),
            "between modules": len(edges),
            "rooms": len({room(name) for name in modules()}),
            "between rooms": len(rooms),
            "circles": {
                " ".join(sorted(group)): sum(
                    count for (a, b), count in rooms.items() if a in group and b in group
                )
                for group in rings
            },
        },
    }
    if options.trace:
        calls = trace(calibrate)
        level = floors(rooms)
        walked = between_rooms(calls)
        up = [(a, b) for a, b in calls if room(a) != room(b) and level[room(b)] > level[room(a)]]
        within = [pair for pair in walked if ring.get(pair[0], 0) == ring.get(pair[1], 1)]
        results["edge calibrate"] = {
            "modules": len({name for pair in calls for name in pair}),
            "rooms": len({name for pair in walked for name in pair}),
            "pairs of modules": len(calls),
            "pairs of rooms": len(walked),
            "pairs of rooms within a circle": len(within),
            "callbacks": [f"{a} -> {b}" for a, b in sorted(up)],
        }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
