"""Which instructions of the x86 extension are not those of every CPU, and where they come from.

    python tests/native/instruction_set.py EXTENSION ARCHIVE

EXTENSION is edge/_native*.so, ARCHIVE the libedge_native.a that it was linked from; a build leaves
both in its folder `native`. The assembler knows what is new: what the disassembler reads is
assembled again for x86-64-v2 (2009), and what it refuses must come from avx2.cpp alone, whose
kernels run only where the CPU has the instructions. Status 1 when there is any other.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

GUARDED = "avx2.cpp.o"
MEMBER = re.compile(r"^(\S+):\s+file format ")
LINE = re.compile(r"^\s+[0-9a-f]+:\t(?P<code>[a-z][^#]*?)\s*(?:#.*)?$")
# Hints and padding, which older CPUs pass over. TZCNT is one where its operand is not 0: they read
# it as BSF, and compilers write it for that. XGETBV belongs to the compilers' question for AVX2:
# they ask whether there is one before.
PASSED_OVER = re.compile(r"(endbr64|notrack|bnd|data16|cs|tzcnt|xgetbv)\b")
PLACE = re.compile(r"-?(0x)?[0-9a-f]+\(%rip\)")


def instructions(file: Path) -> dict[str, Counter[str]]:
    """By object file of an archive, or for the one file, how often it holds which instruction.

    Branches name places and cannot be assembled elsewhere; they are left out, as all are old.
    """
    command = ["objdump", "-d", "--no-show-raw-insn", file]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    results: dict[str, Counter[str]] = {}
    codes: Counter[str] = Counter()
    for line in text.splitlines():
        if member := MEMBER.match(line):
            codes = results.setdefault(Path(member[1]).name, Counter())
        elif (match := LINE.match(line)) and "<" not in match["code"]:
            code = PLACE.sub("0(%rip)", " ".join(match["code"].split()))
            if not PASSED_OVER.match(code):
                codes[code] += 1
    return results


def newer(codes: Counter[str]) -> Counter[str]:
    """Those that the assembler does not take for x86-64-v2."""
    ordered = sorted(codes)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "again.s"
        source.write_text("".join(f"{code}\n" for code in ordered))
        # corei7 is Nehalem, the CPU that x86-64-v2 describes.
        command = ["as", "-march=corei7", "-o", source.with_suffix(".o"), source]
        text = subprocess.run(command, capture_output=True, text=True).stderr
    lines = re.findall(r"again\.s:(\d+): Error", text)
    return Counter({ordered[int(n) - 1]: codes[ordered[int(n) - 1]] for n in lines})


def misplaced(extension: Path, archive: Path) -> Counter[str]:
    """The newer instructions of the extension that do not come from its guarded object."""
    objects = instructions(archive)
    guarded = newer(objects.pop(GUARDED))
    (linked,) = instructions(extension).values()
    result = newer(linked) - guarded
    for codes in objects.values():
        result += newer(codes)
    return result


if __name__ == "__main__":
    wrong = misplaced(*map(Path, sys.argv[1:3]))
    for code, count in sorted(wrong.items()):
        print(f"newer than x86-64-v2, {count} times: {code}", file=sys.stderr)
    sys.exit(1 if wrong else 0)
