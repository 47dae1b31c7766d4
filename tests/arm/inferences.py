"""Counts the instructions of one inference of each model on each runtime, on emulated CPUs.

    python tests/arm/inferences.py > tests/arm/inferences.json

Takes minutes; needs build/arm (see tests/arm/build). The models are the packages listed here: their
own artefacts, and for a runtime that they lack a float one, converted. An INT8 artefact is counted
as soon as its package has it. Counts are no times: see tests/arm/count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

import boards  # noqa: E402
import every_backend  # noqa: E402

from edge import package  # noqa: E402
from edge.backends import BACKENDS  # noqa: E402

MODELS = {
    "YOLOv6-n of BCCD, 320x320": ROOT / "tests" / "models" / "bccd-yolov6n.edge",
}
HALF = ("ncnn", "mnn")  # the runtimes that compute in float16 where the CPU does


def artefacts(model: Path, folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Package, backend and precision of what there is to count."""
    own = package.read(model).artefacts
    for artefact in own:
        yield model, artefact.backend, "int8" if artefact.precision == "int8" else "float"
    there = {artefact.backend for artefact in own if artefact.precision != "int8"}
    if missing := [name for name in BACKENDS if name not in there]:
        made = folder / f"{model.stem}-float.edge"
        package.write(every_backend.converted(model, missing), made)
        for name in missing:
            yield made, name, "float"


def runs(backend: str, precision: str) -> Iterator[tuple[str, str]]:
    """CPU and precision of the arithmetic."""
    for cpu in ("cortex-a72", "cortex-a76"):
        yield cpu, "int8" if precision == "int8" else "fp32"
    if precision == "float" and backend in HALF:
        yield "cortex-a76", "fp16"


def count(model: Path, backend: str, precision: str, cpu: str, board: Path) -> int:
    """Instructions of one inference."""
    command = ["bash", HERE / "count", "inference", "--model", model, "--backend", backend]
    chosen = os.environ | {"CPU": cpu, "NUMPY": "2", "BOARD": str(board)}
    done = subprocess.run(
        [*command, "--precision", precision], env=chosen, stdout=subprocess.PIPE, check=True
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found[precision]  # what was in effect has this name


def main() -> None:
    """Print the counts."""
    arm = Path(os.environ.get("EDGE_ARM") or ROOT / "build" / "arm")
    counts: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seen = {"cortex-a72": boards.pi4(folder / "pi4"), "cortex-a76": boards.pi5(folder / "pi5")}
        for board in seen.values():
            boards.completed(board, arm / "sysroot")
        for model, path in MODELS.items():
            rows = counts.setdefault(model, {})
            for made, backend, precision in artefacts(path, folder):
                for cpu, chosen in runs(backend, precision):
                    key = f"{backend} {chosen} {cpu}"
                    rows[key] = count(made, backend, chosen, cpu, seen[cpu])
                    print(f"{model}: {key}: {rows[key]}", file=sys.stderr)
    print(json.dumps(counts, indent=2))


if __name__ == "__main__":
    main()
