"""Counts blocks and simulated cache misses of one inference of each network, on emulated CPUs.

What is there already is kept, so that a run which was stopped goes on. A network takes half a
minute; all of ncnn's benchmark, on both CPUs, with one thread and with four, an hour.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.board.machines import CPUS

HERE = Path(__file__).resolve().parent
ARM = HERE.parents[1] / "build" / "arm"
BLOCKS = HERE.parents[1] / "build" / "board"
THREADS = (1, 4)


def networks(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Name and arguments of infer.py, of what networks.txt in or above `folder` lists."""
    listed = next(
        f / "networks.txt" for f in (folder, folder.parent) if (f / "networks.txt").exists()
    )
    for line in listed.read_text().splitlines():
        name, width, height = line.split()
        yield name, [str(folder / f"{name}.param"), width, height]


def built(folder: Path) -> None:
    """Compile the plugin for this machine and the marks for ARM."""
    folder.mkdir(parents=True, exist_ok=True)
    shared = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]
    subprocess.run(["gcc", *shared, folder / "blocks.so", HERE / "blocks.c"], check=True)
    mark = HERE.parent / "arm" / "mark.c"
    subprocess.run(["aarch64-linux-gnu-gcc", *shared, folder / "mark.so", mark], check=True)


def count(arm: Path, folder: Path, name: str, cpu: str, threads: int, words: Sequence[str]) -> Path:
    """The blocks of one inference; `words` are infer.py's arguments, "{threads}" among them."""
    file = folder / f"{cpu}.{threads}.{name}.txt"
    if file.exists():
        return file
    unfinished = file.with_suffix(".unfinished")
    plugin = f"{folder / 'blocks.so'},out={unfinished},{CPUS[cpu].caches}"
    # A thread that waits sleeps: turning in a loop would be counted as work.
    chosen = {"CPU": cpu, "PLUGIN": plugin, "OMP_NUM_THREADS": str(threads)}
    waiting = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
    filled = [word.format(threads=threads, precision=CPUS[cpu].precision) for word in words]
    command = [arm / "python", HERE / "infer.py", folder / "mark.so", *filled]
    subprocess.run(command, env=os.environ | chosen | waiting, check=True)
    unfinished.rename(file)
    return file
