"""Counts blocks and simulated cache misses of one inference of each network, on emulated CPUs.

What is there already is kept, so that a run which was stopped goes on. A network takes half a
minute; all of ncnn's benchmark, on both CPUs, with one thread and with four, an hour.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import package
from tests.board.estimate import THREADS
from tests.board.machines import CPUS
from tests.support import every_backend

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODELS = {"YOLOv6-n": "bccd-yolov6n", "YOLOv7-tiny": "bccd-yolov7-tiny"}
SUFFIXES = {"tflite": "tflite", "mnn": "mnn", "onnxruntime": "onnx"}
# A thread that waits sleeps: turning in a loop would be counted as work.
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


@dataclass(frozen=True, slots=True)
class Case:
    """One inference to count.

    Attributes:
        words: Arguments of infer.py; "{threads}" is filled in.
    """

    cpu: str
    name: str
    threads: int
    words: tuple[str, ...]


def published(folder: Path) -> Iterator[Case]:
    """The networks of ncnn's benchmark: NAME.param in `folder`, with sizes in networks.txt.

    networks.txt has one "NAME WIDTH HEIGHT" a line and is in the folder or the one above.
    """
    places = (folder / "networks.txt", folder.parent / "networks.txt")
    listed = next(file for file in places if file.exists())
    for cpu, core in CPUS.items():
        for line in listed.read_text().splitlines():
            name, width, height = line.split()
            words = ("ncnn", str(folder / f"{name}.param"), width, height, core.precision)
            for threads in THREADS:
                yield Case(cpu, name, threads, (*words, "{threads}"))


def ours(folder: Path) -> Iterator[Case]:
    """YOLOv6-n and YOLOv7-tiny for every runtime, in float and in INT8; files in `folder`."""
    makers = {"float": every_backend.converted, "int8": every_backend.quantized}
    for model, file in MODELS.items():
        for kind, make in makers.items():
            made = make(ROOT / "tests" / "models" / f"{file}.edge")
            for artifact in made.artifacts:
                for role, data in artifact.files.items():
                    (folder / f"{file}-{kind}.{role}").write_bytes(data)
            yield from _runs(f"{model} 320", folder / f"{file}-{kind}", kind, made)


def _runs(model: str, stem: Path, kind: str, made: package.Package) -> Iterator[Case]:
    side = str(made.spec.input.width)
    for cpu, core in CPUS.items():
        for backend in (artifact.backend for artifact in made.artifacts):
            half = core.precision if backend in ("ncnn", "mnn") else "fp32"
            precision = half if kind == "float" else "int8"
            words = (
                "ncnn",
                f"{stem}.param",
                side,
                side,
                core.precision,
                "{threads}",
                f"{stem}.bin",
            )
            if backend != "ncnn":
                words = (backend, f"{stem}.{SUFFIXES[backend]}", "{threads}", half, side)
            # Those of MNN and ONNX Runtime turn in loops while they wait, whatever is asked for.
            for threads in THREADS if backend == "ncnn" else THREADS[:1]:
                yield Case(cpu, f"{model} {backend} {precision}", threads, words)


def built(folder: Path) -> None:
    """Compile the plugin for this machine and the marks for ARM."""
    folder.mkdir(parents=True, exist_ok=True)
    shared = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]
    subprocess.run(["gcc", *shared, folder / "blocks.so", HERE / "blocks.c"], check=True)
    mark = HERE.parent / "arm" / "mark.c"
    subprocess.run(["aarch64-linux-gnu-gcc", *shared, folder / "mark.so", mark], check=True)


def count(case: Case, arm: Path, folder: Path) -> Path:
    """The file of blocks.c of one inference; `arm` is what tests/arm/build makes."""
    file = folder / f"{case.cpu}.{case.threads}.{case.name.replace(' ', '_')}.txt"
    if not file.exists():
        unfinished = file.with_suffix(".unfinished")
        plugin = f"{folder / 'blocks.so'},out={unfinished},{CPUS[case.cpu].caches}"
        chosen = {"CPU": case.cpu, "PLUGIN": plugin, "OMP_NUM_THREADS": str(case.threads)}
        words: Sequence[str] = [word.format(threads=case.threads) for word in case.words]
        command = [arm / "python", HERE / "infer.py", folder / "mark.so", *words]
        subprocess.run(command, env=os.environ | chosen | WAITING, check=True)
        unfinished.rename(file)
    return file
