"""How many instructions the kernels execute on ARM: what is committed is not exceeded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = {"1": HERE / "instructions.gcc.json", "2": HERE / "instructions.zig.json"}
ALLOWED = 1.01  # of the committed count,
BEYOND = 1000  # and these: what Python does around a call differs by some hundreds


def count(folder: Path, numpy: str, what: str) -> dict[str, int]:
    chosen = {"EDGE_ARM": str(folder), "CPU": "cortex-a72", "NUMPY": numpy}
    command = ["bash", HERE / "count", what]
    done = subprocess.run(command, env=os.environ | chosen, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def exceeded(results: dict[str, int], committed: dict[str, int]) -> dict[str, str]:
    """The kernels that take more than is committed, and the ones that nobody has counted."""
    return {
        name: f"{n} instructions, committed: {committed.get(name)}"
        for name, n in results.items()
        if name != "compiler" and n > ALLOWED * committed.get(name, 0) + BEYOND
    }


@pytest.mark.parametrize("numpy", FILES)
def test_no_kernel_executes_more_than_is_committed(arm_folder, numpy):
    result, committed = count(arm_folder, numpy, "kernels"), json.loads(FILES[numpy].read_text())
    if result["compiler"] != committed["compiler"]:
        pytest.skip(f"counted with {committed['compiler']}, here is {result['compiler']}")
    more = exceeded(result, committed)
    assert not more, f"NUMPY={numpy} bash tests/arm/count kernels > {FILES[numpy].name}"


def test_the_page_is_of_these_counts():
    done = subprocess.run([sys.executable, HERE / "tables.py"], capture_output=True, text=True)
    assert done.stdout == (HERE / "INSTRUCTIONS.md").read_text()
    readme = (HERE.parents[1] / "README.md").read_text()
    counted = [line for line in readme.splitlines() if re.match(r"\|.* M( \(.*\))? \|$", line)]
    assert counted
    assert set(counted) <= set(done.stdout.splitlines())


def test_two_percent_more_is_noticed():
    committed = json.loads(FILES["1"].read_text())
    name = "nms 2000"
    assert set(exceeded({name: round(committed[name] * 1.02)}, committed)) == {name}
    assert not exceeded(committed, committed)
    assert exceeded({"a kernel that is not in the file": 9999}, committed)


def heavy(vectors: dict[str, int], scalar: dict[str, int]) -> list[str]:
    """The kernels whose vectors save less than two thirds of the instructions."""
    return [name for name, n in scalar.items() if name != "compiler" and 3 * vectors[name] > n]


def test_vectors_save_two_thirds_of_the_instructions(arm_folder):
    vectors, scalar = (json.loads((HERE / f"instructions.{name}.json").read_text())
                       for name in ("gcc", "scalar"))  # fmt: skip
    assert vectors["compiler"] == scalar["compiler"]
    # With very many candidates most of the work is in writing them down, one by one.
    assert heavy(vectors, scalar) == [
        "distances", "distances multi-label", "distances logits", "distances 16 bins",
        "rows", "rows planar", "rows objectness", "nms 50",
    ]  # fmt: skip


def test_the_counts_without_vectors_are_of_this_source(arm_folder):
    result = count(arm_folder, "1", "scalar")
    committed = json.loads((HERE / "instructions.scalar.json").read_text())
    if result["compiler"] != committed["compiler"]:
        pytest.skip(f"counted with {committed['compiler']}, here is {result['compiler']}")
    more = exceeded(result, committed)
    fewer = exceeded(committed, result)
    assert not more | fewer, "NUMPY=1 bash tests/arm/count scalar > instructions.scalar.json"


@pytest.mark.parametrize("numpy", FILES)  # OpenCV 4.11 comes with the one, 5.0 with the other
def test_the_kernels_take_fewer_than_opencv(arm_folder, numpy):
    ours = json.loads(FILES[numpy].read_text())
    theirs = count(arm_folder, numpy, "opencv")
    assert ours["letterbox BGR 500x375"] < theirs["letterbox BGR 500x375"]
    assert ours["nms 2000"] < theirs["nms 2000"] / 10
