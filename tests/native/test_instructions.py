"""No kernel executes more instructions than when its count was written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge import ops
from tests.native import instructions

WRITTEN = json.loads(Path(__file__).with_name("instructions.json").read_text())
ALLOWED = 1.01


def grown(results: dict[str, int]) -> dict[str, float]:
    """Kernel to how much of its count it executes, where that is more than allowed."""
    ratios = {name: results[name] / count for name, count in WRITTEN.items() if name != "compiler"}
    return {name: ratio for name, ratio in ratios.items() if ratio > ALLOWED}


def test_the_gate_notices_two_percent():
    spoilt = {name: count for name, count in WRITTEN.items() if name != "compiler"}
    assert not grown(spoilt)
    spoilt["decode planes f32"] = int(spoilt["decode planes f32"] * 1.02)
    assert list(grown(spoilt)) == ["decode planes f32"]


@pytest.mark.slow
def test_no_kernel_grew(tmp_path):
    if tool := instructions.missing():
        pytest.skip(f"needs {tool}")
    if instructions.TARGET not in ops.targets():
        pytest.skip(f"counts are of {instructions.TARGET}, which does not run here")
    if instructions.compiler() != WRITTEN["compiler"]:
        pytest.skip(f"counts are of {WRITTEN['compiler']}, not {instructions.compiler()}")
    result = instructions.counts(instructions.build(tmp_path))
    assert result.keys() == WRITTEN.keys() - {"compiler"}
    assert not grown(result)
