"""Counts the instructions that each kernel executes, exactly repeatable, by callgrind.

    python -m tests.native.instructions > tests/native/instructions.json

A count says how much work the compiler left in a kernel, not how long it takes; it does not
depend on how busy the machine is, so it can be held to one percent.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = "avx2"


def compiler() -> str:
    """The first line of what the C++ compiler says of itself."""
    return subprocess.run(
        ["c++", "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]


def missing() -> str | None:
    """What counting needs and is not here."""
    return next((tool for tool in ("valgrind", "cmake", "c++") if not shutil.which(tool)), None)


def build(folder: Path) -> Path:
    """The program that runs one kernel."""
    options = ["-DEDGE_TESTS=ON", "-DCMAKE_BUILD_TYPE=Release"]
    for command in (
        ["cmake", "-S", str(ROOT), "-B", str(folder), *options],
        ["cmake", "--build", str(folder), "--target", "count_kernels"],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "native" / "count_kernels"


def instructions(program: Path, *arguments: str) -> int:
    """All that one run of the program executes."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run(
        [*command, str(program), *arguments], capture_output=True, text=True, check=True
    )
    match = re.search(r"Collected : (\d+)", done.stderr)
    if match is None:
        raise RuntimeError(f"callgrind gave no count: {done.stderr}")
    return int(match[1])


def counts(program: Path) -> dict[str, int]:
    """Kernel to the instructions of one call, the first excluded."""
    names = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return {
        name: instructions(program, name, TARGET, "2") - instructions(program, name, TARGET, "1")
        for name in names.splitlines()
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        results = {"compiler": compiler(), **counts(build(Path(folder)))}
    json.dump(results, sys.stdout, indent=2)
    sys.stdout.write("\n")
