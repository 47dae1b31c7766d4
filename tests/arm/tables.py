"""The counted instructions as a page.

    python tests/arm/tables.py > tests/arm/INSTRUCTIONS.md

Made of instructions.*.json, imports.json and inferences.json, which tests/arm/count and
tests/arm/inferences.py write.
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
`tests/arm/kernels.py`: images of 640x480 to 320x320 unless stated, 80 classes, 2100 points
(distances) or 8400 (rows). In "sparse" one point in nineteen has an object, still many for a
image; in the others four in five do, and writing those down is most of the work. In brackets: the
part of what the code without vectors executes.
"""
MISSED = """## More than a third
The aim is that NEON executes at most a third of what the code without vectors does, of the same
compiler. The letterbox does in every case, decoding where few points have an object, as in a
image. These do not:
{missed}.

- Where most points have an object, most of the work is in writing candidates down one by one, and
  that is the same in either code. It is the count less that of such tensors with few objects:
"""
CAUSES = """
- For each of those points "multi-label" writes a candidate a class, "logits" computes a sigmoid and
  "16 bins" 64 exponentials, one at a time in double precision, so that all CPUs give the same bits.
- "rows objectness" has no twin with few objects; it is as "rows".
- Of "nms 50" a third computes in vectors; the rest, which orders scores and keeps lists, takes no
  fewer. With more boxes their comparison outweighs that.
- The column of clang is compared with GCC's code without vectors, for want of its own.
"""
OPENCV = """## Against OpenCV
The same job with OpenCV's wheels for 64-bit ARM: `resize`, `copyMakeBorder` and `blobFromImage`;
`NMSBoxesBatched`. The tests demand that ours takes fewer instructions.
"""
IMPORTS = """## Start
On a Cortex-A72, with byte code at hand, each after the one before. `import edge` by itself loads
neither NumPy nor OpenCV nor a runtime.
"""
INFERENCES = """## Inferences
One inference of 320x320 pixels, one thread, without letterbox and decoding. Reported, not gated:
what executes is the runtimes' own code. In brackets: multiply-accumulates of the convolutions, done
directly (1.37 G of YOLOv6-n, 1.63 G of YOLOv7-tiny), per instruction. INT8 of the models of BCCD
has every convolution in INT8, with ranges by min-max, as `tests/support/every_backend.py` makes
them; the bundled one is what `edge calibrate` made.
"""
READ = """
How this reads:

- The A72 has no instruction that adds four products of bytes, the A76 has. On the A76, INT8 takes a
  quarter to two fifths of the instructions of float32 in TensorFlow Lite and ONNX Runtime, and half
  to five sixths in ncnn and MNN. On the A72 it takes a tenth to a fifth fewer in the first two, as
  many or a seventh more in ncnn, and in MNN up to twice as many.
- Winograd's algorithm is why ncnn's float32 is so light: without it, YOLOv6-n takes two and a half
  times as many. INT8 gains nearly as much by it on the A72, and next to nothing on the A76.
- Where the CPU has it, float16 takes fewer than INT8, but for YOLOv7-tiny in ncnn.
- A count is no time: on the A72, where INT8 takes as many as float32 in ncnn, the times that ncnn's
  authors publish of eight networks are 6 to 44 % shorter in INT8, and so are the estimated ones of
  these two. Milliseconds, estimated from blocks, caches and such times: `tests/board/ESTIMATES.md`.
"""
RUNTIMES = ("ncnn", "mnn", "tflite", "onnxruntime")
PRECISIONS = ("fp32", "fp32-direct", "fp16", "int8", "int8-direct")
TWINS = {  # kernels with many objects, and the same with few
    "distances": "distances sparse",
    "distances int8": "distances sparse int8",
    "rows": "rows sparse",
    "rows planar": "rows sparse planar",
}


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


def missed() -> list[str]:
    """Which kernels miss the aim, and why."""
    scalar, gcc = (read(f"instructions.{name}.json") for name in ("scalar", "gcc"))
    names = [name for name in gcc if name != "compiler" and 3 * gcc[name] > scalar[name]]
    rows = ["| of which for candidates | no vectors, GCC | NEON, GCC |", "|---|---|---|"]
    for dense, sparse in TWINS.items():
        cells = [millions(each[dense] - each[sparse]) for each in (scalar, gcc)]
        rows.append(f"| {dense} | {' | '.join(cells)} |")
    return [MISSED.format(missed="; ".join(names)), *rows, CAUSES]


def opencv() -> list[str]:
    """A table of the jobs that OpenCV does as well."""
    theirs = {path.stem.partition("-")[2]: read(path.name)
              for path in sorted(HERE.glob("instructions.opencv-*.json"))}  # fmt: skip
    ours = {
        name: read(f"instructions.{key}.json") for name, key in (("GCC", "gcc"), ("clang", "zig"))
    }
    heads = [*(f"OpenCV {version}" for version in theirs), *(f"ours, {name}" for name in ours)]
    rows = [f"| job | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    for job in next(iter(theirs.values())):
        cells = [millions(each[job]) for each in (*theirs.values(), *ours.values())]
        rows.append(f"| {job} | {' | '.join(cells)} |")
    return rows


def imports() -> list[str]:
    """A table of what importing takes."""
    rows = ["| import | instructions |", "|---|---|"]
    return rows + [
        f"| {name} | {millions(count)} |" for name, count in read("imports.json").items()
    ]


def inferences() -> list[str]:
    """A table of all models."""
    rows = ["| model | runtime | precision | Cortex-A72 | Cortex-A76 |", "|---|---|---|---|---|"]
    for model, result in read("inferences.json").items():
        by_cpu = [result["cortex-a72"], result["cortex-a76"]]
        for name in (f"{runtime}:{each}" for runtime in RUNTIMES for each in PRECISIONS):
            if not any(name in each for each in by_cpu):
                continue
            runtime, _, precision = name.partition(":")
            cells = [_count(result["products"], each.get(name)) for each in by_cpu]
            message = precision.replace("-direct", ", no Winograd")
            rows.append(f"| {model} | {runtime} | {message} | {' | '.join(cells)} |")
    return rows


def page() -> str:
    """The whole page."""
    parts = [HEAD, KERNELS, *kernels(), "", *missed(), OPENCV, *opencv(), "", IMPORTS, *imports()]
    return "\n".join([*parts, "", INFERENCES, *inferences(), READ])


def _count(products: int, instructions: int | None) -> str:
    if instructions is None:
        return ""
    return f"{millions(instructions)} ({products / instructions:.1f})"


def _short(compiler: str) -> str:
    name = "clang" if compiler.startswith("clang") else "GCC"
    return f"{name} {compiler.rsplit(maxsplit=1)[-1]}"


if __name__ == "__main__":
    print(page(), end="")
