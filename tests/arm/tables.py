"""The counted instructions as a page.

    python tests/arm/tables.py > tests/arm/INSTRUCTIONS.md

Made of instructions.*.json and inferences.json, which tests/arm/count and tests/arm/inferences.py
write.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HEAD = """# Instructions executed on 64-bit ARM

Counted under emulation, where speed cannot be measured: a count is no time, as caches, latencies
and parallel issue do not show. It is repeatable within 0.1 %, which makes it a gate: the tests hold
every kernel to 1 % of its count. This page is written by `tests/arm/tables.py`.
"""
KERNELS = """## Kernels
On a Cortex-A72, by the code in which the call is written: without vectors (GCC, told to use none),
with NEON as a board builds it (GCC), with NEON as a release is built (clang). Inputs are those of
`tests/arm/kernels.py`: pictures of 640x480 to 320x320 unless stated, 80 classes, 2100 points
(distances) or 8400 (rows). In "sparse" one point in nineteen has an object, still many for a
picture; in the others four in five do, and writing those down is most of the work. In brackets: the
part of what the code without vectors executes.
"""
INFERENCES = """## Inferences
One inference, one thread, without letterbox and decoding.
"""


def millions(count: int) -> str:
    """The count, to three digits or so."""
    digits = 1 if count >= 1e8 else 2 if count >= 1e5 else 3
    return f"{count / 1e6:.{digits}f} M"


def read(name: str) -> Any:
    """A committed file of counts."""
    return json.loads((HERE / name).read_text())


def kernels(names: Sequence[str] = ()) -> list[str]:
    """A table of these kernels, or of all."""
    scalar, gcc, zig = (read(f"instructions.{name}.json") for name in ("scalar", "gcc", "zig"))
    rows = [
        f"| ARM, instructions (emulated) | no vectors, GCC | NEON, {_short(gcc['compiler'])} "
        f"| NEON, {_short(zig['compiler'])} |",
        "|---|---|---|---|",
    ]
    for name in names or [name for name in gcc if name != "compiler"]:
        cells = [f"{millions(each[name])} ({each[name] / scalar[name]:.2f})" for each in (gcc, zig)]
        rows.append(f"| {name} | {millions(scalar[name])} | {' | '.join(cells)} |")
    return rows


def inferences() -> list[str]:
    """A table of all models."""
    rows = ["| model | runtime | precision | CPU | instructions |", "|---|---|---|---|---|"]
    for model, counts in read("inferences.json").items():
        for key, count in counts.items():
            rows.append(f"| {model} | {' | '.join(key.split())} | {millions(count)} |")
    return rows


def page() -> str:
    """The whole page."""
    parts = [HEAD, KERNELS, *kernels(), "", INFERENCES, *inferences()]
    return "\n".join(parts) + "\n"


def _short(compiler: str) -> str:
    name = "clang" if compiler.startswith("clang") else "GCC"
    return f"{name} {compiler.rsplit(maxsplit=1)[-1]}"


if __name__ == "__main__":
    print(page(), end="")
