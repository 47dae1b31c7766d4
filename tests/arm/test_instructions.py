"""How many instructions the kernels execute on ARM: what is committed is not exceeded."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMMITTED = json.loads((HERE / "instructions.json").read_text())
ALLOWED = 1.01  # of the committed count


def count(folder: Path, *what: str) -> dict[str, int]:
    chosen = {"EDGE_ARM": str(folder), "CPU": "cortex-a72", "NUMPY": "2"}
    command = ["bash", HERE / "count", *what]
    done = subprocess.run(command, env=os.environ | chosen, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def kernels(arm_folder) -> dict[str, int]:
    return count(arm_folder, "kernels")


def exceeded(found: dict[str, int]) -> dict[str, str]:
    """The kernels that take more than is committed, and the ones that nobody has counted."""
    return {
        name: f"{n} instructions, committed: {COMMITTED.get(name)}"
        for name, n in found.items()
        if name != "compiler" and n > ALLOWED * COMMITTED.get(name, 0)
    }


def test_no_kernel_executes_more_than_is_committed(kernels):
    if kernels["compiler"] != COMMITTED["compiler"]:
        pytest.skip(f"counted with {COMMITTED['compiler']}, here is {kernels['compiler']}")
    assert not exceeded(kernels), "bash tests/arm/count kernels > tests/arm/instructions.json"


def test_two_percent_more_is_noticed():
    name = "nms 2000"
    assert set(exceeded({name: round(COMMITTED[name] * 1.02)})) == {name}
    assert not exceeded(COMMITTED)
    assert exceeded({"a kernel that is not in the file": 1})


def test_nms_takes_fewer_instructions_than_opencv(kernels, arm_folder):
    assert kernels["nms 2000"] < count(arm_folder, "opencv")["nms 2000"]
