"""Blocks and their cycles."""

from __future__ import annotations

import shutil

import pytest
from surroundings import MACHINE

from edge.errors import DataError
from tests.board import pricing

COUNTERS = "# accesses 9\n# misses 3 2 1\n# disordered 1 1 0\n# written 1 0 0\n# tlb 4 0\n"
CHAINED = "4e21cc00"  # fmla v0.4s, v0.4s, v1.4s: waits for its own product
APART = "4e22cc20 4e22cc23 4e22cc24 4e22cc25"  # fmla v0, v3, v4, v5 += v1 * v2
BRANCH = "54ffffe1"  # b.ne to itself


def test_blocks_of_the_same_instructions_are_one(tmp_path):
    file = tmp_path / "blocks.txt"
    file.write_text(f"{COUNTERS}5 {CHAINED}\n7 {CHAINED}\n1 {APART}\n")
    blocks, counters = pricing.read(file)
    assert blocks == {(CHAINED,): 12, tuple(APART.split()): 1}
    assert counters["misses"] == [3, 2, 1]


def test_a_file_without_counters_is_refused(tmp_path):
    file = tmp_path / "blocks.txt"
    file.write_text(f"5 {CHAINED}\n")
    with pytest.raises(DataError, match=r"no counters of caches; made by `python -m tests"):
        pricing.read(file)


@pytest.mark.skipif(
    shutil.which("llvm-mca-19", path=MACHINE["PATH"]) is None, reason="apt-get install llvm-19"
)
def test_a_block_is_priced_as_a_loop_with_what_waits_in_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", MACHINE["PATH"])
    prices = pricing.Prices(tmp_path / "prices.json")
    chained, apart = (CHAINED, BRANCH), (*APART.split(), BRANCH)
    cycles = prices.of("neoverse-n1", [chained, apart])
    assert cycles[chained] == pytest.approx(4, rel=0.1)
    assert cycles[apart] == pytest.approx(4, rel=0.1)  # four that wait together
    assert pricing.Prices(tmp_path / "prices.json").of("neoverse-n1", [apart]) == {
        apart: cycles[apart]
    }
