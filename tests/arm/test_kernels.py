"""Every SIMD target of every CPU gives the same bits."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

from edge import ops

HERE = Path(__file__).parent
COMMITTED = json.loads((HERE / "kernels.json").read_text())


def on_this_machine(*args: str) -> dict[str, str]:
    command = [sys.executable, HERE / "kernels.py", *args]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_this_machine_gives_the_committed_bits_on_every_target():
    assert on_this_machine() == COMMITTED


def test_one_wrong_bit_is_noticed():
    found = on_this_machine("--flip", "distances")
    assert {name for name in COMMITTED if found[name] != COMMITTED[name]} == {"distances"}


def test_an_x86_cpu_without_avx_gives_the_committed_bits(arm_folder):
    # Nehalem is x86-64-v2; an instruction that it lacks would end the program.
    command = ["qemu-x86_64-static", "-cpu", "Nehalem", sys.executable, HERE / "kernels.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == COMMITTED


def test_arm_gives_the_committed_bits(arm):
    assert json.loads(arm.python(HERE / "kernels.py")) == COMMITTED


def test_arm_runs_its_simd_target(arm):
    found = arm.python("-c", "from edge import ops; print(ops.target())")
    assert found.strip() == "neon"


def test_arm_raises_what_the_kernels_throw(arm):
    code = """
import numpy as np
from edge import ops
try:
    ops.nms(np.zeros((3, 5), np.float32), np.zeros(3, np.float32), np.zeros(3, np.int32))
except ValueError as error:
    print("refused:", error)
"""
    assert arm.python("-c", code).startswith("refused: ")


def test_this_machine_has_its_simd_target():
    plain = {"x86_64": "baseline", "aarch64": "neon"}[platform.machine()]
    assert plain in ops.targets()
