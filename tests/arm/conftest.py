"""The emulated machines that the tests in this folder run on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boards
import pytest
import surroundings

CPUS = ("cortex-a72", "cortex-a76")  # Raspberry Pi 4; Raspberry Pi 5, and close to Jetson Orin's
NUMPYS = ("1", "2")  # 1.26, as in Debian 12, and today's


@dataclass(frozen=True)
class Arm:
    """A CPU, and one of the installations that `tests/arm/build` makes."""

    folder: Path
    cpu: str
    numpy: str

    def python(self, *args: str | Path, board: Path | None = None) -> str:
        """Run Python. Returns what it printed.

        Args:
            args: Of Python.
            board: A folder of support/boards.py, whose files the program sees as the machine's.
        """
        if board is not None:
            boards.completed(board, self.folder / "sysroot")
        chosen = {"CPU": self.cpu, "NUMPY": self.numpy, "BOARD": "" if board is None else board}
        command = [self.folder / "python", *args]
        done = subprocess.run(
            command, env=os.environ | chosen, capture_output=True, text=True, timeout=880
        )
        assert done.returncode == 0, f"{args} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _tools() -> Iterator[None]:
    """The emulator, compilers and binutils, as this machine has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", surroundings.MACHINE["PATH"])
        yield


@pytest.fixture(scope="session")
def arm_folder() -> Path:
    """What `tests/arm/build` made; `tests/run` names it in EDGE_ARM."""
    if not (folder := os.environ.get("EDGE_ARM")):
        pytest.skip("EDGE_ARM is not set: `bash tests/run` builds for ARM and sets it")
    assert (Path(folder) / "python").is_file(), f"{folder} is not complete: bash tests/arm/build"
    return Path(folder)


@pytest.fixture(params=[f"{cpu} numpy {numpy}" for cpu in CPUS for numpy in NUMPYS])
def arm(request: pytest.FixtureRequest, arm_folder: Path) -> Arm:
    """Each CPU with each NumPy."""
    cpu, _, numpy = request.param.split()
    return Arm(arm_folder, cpu, numpy)


@pytest.fixture(scope="session", params=CPUS)
def cpu(request: pytest.FixtureRequest, arm_folder: Path) -> Arm:
    """Each CPU, with today's NumPy: for what is slow and does not depend on it."""
    return Arm(arm_folder, request.param, "2")


@pytest.fixture
def pi4(arm_folder: Path) -> Arm:
    """The CPU that does not, with what Debian 12 brings."""
    return Arm(arm_folder, "cortex-a72", "1")


@pytest.fixture
def pi5(arm_folder: Path) -> Arm:
    """The CPU that computes in half precision."""
    return Arm(arm_folder, "cortex-a76", "2")
