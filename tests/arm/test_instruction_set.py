"""The extension holds no instruction that an ARMv8.0 CPU, such as the Raspberry Pi 4's, lacks.

The assembler knows which those are: what the disassembler reads out of the extension is assembled
again, for ARMv8.0.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

# Scalable-matrix and memory-tag state: zig's C++ runtime looks after it while it unwinds the stack
# for an exception, on CPUs that say they have it.
RUNTIME = re.compile(r"(smstop|addsvl|cntd|stg|str za)\b|m[rs][rs]\b.*\btpidr2_el0\b")
LINE = re.compile(r"^\s+[0-9a-f]+:\t(?P<code>[a-z][^/;]*?)\s*(?:(?://|;).*)?$")


def instructions(file: Path) -> set[str]:
    """The different instructions of a file, without those that name a place in it.

    Branches and addresses cannot be assembled out of their place, and all are ARMv8.0. GCC's
    helpers for atomics look at the CPU first, in w16, and jump over the one that it may lack.
    """
    command = ["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", file]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result, before = set(), ""
    for match in filter(None, map(LINE.match, listing.splitlines())):
        code = match["code"].replace("\t", " ").strip()
        guarded = before.startswith("cbz w16,") or RUNTIME.match(code)
        if "<" not in code and not guarded:
            result.add(code)
        before = code
    return result


def refused(codes: set[str], folder: Path) -> set[str]:
    """The instructions that the assembler does not take for ARMv8.0."""
    ordered = sorted(codes)
    source = folder / "again.s"
    source.write_text("".join(f"{code}\n" for code in ordered))
    command = ["aarch64-linux-gnu-as", "-march=armv8-a", "-o", folder / "again.o", source]
    text = subprocess.run(command, capture_output=True, text=True).stderr
    return {ordered[int(n) - 1] for n in re.findall(r"again\.s:(\d+): Error", text)}


@pytest.mark.parametrize("numpy", ["1", "2"])
def test_the_extension_holds_nothing_newer_than_armv8_0(arm_folder, numpy, tmp_path):
    (extension,) = (arm_folder / f"numpy{numpy}" / "edge").glob("_native*.so")
    codes = instructions(extension)
    assert len(codes) > 1000
    assert not refused(codes, tmp_path)


@pytest.mark.parametrize(
    "code", ["sdot v0.4s, v1.16b, v2.16b", "fadd v0.8h, v1.8h, v2.8h", "ldadd w0, w1, [x2]"]
)
def test_a_newer_instruction_is_noticed(arm_folder, code, tmp_path):
    source = tmp_path / "newer.s"
    source.write_text(f"f: {code}\nret\n")
    made = tmp_path / "newer.o"
    command = ["aarch64-linux-gnu-as", "-march=armv8.2-a+fp16+dotprod", "-o", made, source]
    subprocess.run(command, check=True)
    assert refused(instructions(made), tmp_path) == {code}
