"""Counts the instructions of one inference of each model on each runtime, on emulated CPUs.

    python tests/arm/inferences.py

adds to tests/arm/inferences.json what it lacks; remove from it what is to be counted again. All of
it takes half an hour. Needs build/arm (see tests/arm/build).

The bundled package is counted as it is, INT8 for ncnn. The trained float ones are converted for
every runtime, and quantized for every runtime as every_backend.quantized does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COUNTS = HERE / "inferences.json"
sys.path.insert(0, str(HERE.parent / "support"))

import boards  # noqa: E402
import every_backend  # noqa: E402

from edge import bundled, package  # noqa: E402
from edge.backends import BACKENDS  # noqa: E402
from edge.formats.ncnn import blob_shapes, read_network  # noqa: E402

MODELS = {
    "YOLOv6-n, bundled": bundled.MODEL,
    "YOLOv6-n of BCCD": ROOT / "tests" / "models" / "bccd-yolov6n.edge",
    "YOLOv7-tiny of BCCD": ROOT / "tests" / "models" / "bccd-yolov7-tiny.edge",
}
HALF = ("ncnn", "mnn")  # the runtimes that compute in float16 where the CPU does


def files(model: Path, folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Package, backend and precision of what there is to count."""
    if model == bundled.MODEL:
        yield model, "ncnn", "int8"
        yield model, "ncnn", "int8-direct"  # without Winograd's algorithm
        return
    for precision, make in (("float", every_backend.converted), ("int8", every_backend.quantized)):
        made = folder / f"{model.stem}-{precision}.edge"
        package.write(make(model), made)
        for backend in BACKENDS:
            yield made, backend, precision


def runs(backend: str, precision: str) -> Iterator[tuple[str, str]]:
    """CPU and precision of the arithmetic."""
    for cpu in ("cortex-a72", "cortex-a76"):
        yield cpu, "fp32" if precision == "float" else precision
    if precision == "float" and backend == "ncnn":
        yield "cortex-a72", "fp32-direct"
    if precision == "float" and backend in HALF:
        yield "cortex-a76", "fp16"


def products(model: Path) -> int:
    """Multiply-accumulates of the convolutions, done directly; of a package with ncnn's files."""
    read = package.read(model)
    network = read_network(read.artifacts[0].files["param"], read.artifacts[0].files["bin"])
    size = read.spec.input
    shapes = blob_shapes(network, {network.inputs[0]: (3, size.height, size.width)})
    result = 0
    for layer in network.layers:
        if "onvolution" in layer.type:  # each weight meets every pixel of the smaller side
            blob = (layer.inputs if layer.type.startswith("De") else layer.outputs)[0]
            result += layer.weights[0].values.size * prod(shapes[blob][1:])
    return result


def main() -> None:
    """Count what the file lacks."""
    arm = Path(os.environ.get("EDGE_ARM") or ROOT / "build" / "arm")
    message: dict[str, Any] = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        board = {"cortex-a72": boards.pi4(folder / "pi4"), "cortex-a76": boards.pi5(folder / "pi5")}
        for root in board.values():
            boards.completed(root, arm / "sysroot")
        for model, path in MODELS.items():
            known = message.setdefault(model, {"products": products(path)})
            missing: dict[str, list[str]] = {cpu: [] for cpu in board}
            for made, backend, precision in files(path, folder):
                for cpu, chosen in runs(backend, precision):
                    if f"{backend}:{chosen}" not in known.setdefault(cpu, {}):
                        missing[cpu].append(f"{backend}:{chosen}={made}")
            for cpu in (cpu for cpu, words in missing.items() if words):
                chosen = os.environ | {"CPU": cpu, "NUMPY": "2", "BOARD": str(board[cpu])}
                command = ["bash", HERE / "count", "inferences", *missing[cpu]]
                done = subprocess.run(command, env=chosen, stdout=subprocess.PIPE, check=True)
                known[cpu] |= json.loads(done.stdout)
                COUNTS.write_text(json.dumps(message, indent=2) + "\n")


if __name__ == "__main__":
    main()
