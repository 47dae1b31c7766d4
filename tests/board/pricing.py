"""Cycles of counted blocks, by llvm-mca's model of a core's pipeline.

Each block is priced as a loop of itself, its dependencies included, times how often it ran. Needs
llvm-mca and llvm-mc of LLVM 19: apt-get install llvm-19. Older ones order the pipes of neither core
as they are now modeled, so another version is refused.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from edge.errors import DataError

LLVM = "19"
COVERED = 0.997  # of the instructions; the rest, hundreds of rare blocks, is priced in proportion
FEATURES = "+fullfp16,+dotprod,+lse,+crc,+fp16fml"
AT_ONCE = 300  # blocks a call of llvm-mca
Block = tuple[str, ...]

# What a branch, a call to the system or an address does in a pipeline by itself is next to nothing;
# as written it has no meaning outside its program.
_FREE = re.compile(
    r"(bl|blr|ret|br|mrs|msr|hint|dmb|isb|dsb|svc|dc|ic|sys|yield|bti|pac\w+|aut\w+)\b"
)
_TARGETS = (
    (re.compile(r"(b|b\.\w+)\s.*"), r"\1 target"),
    (re.compile(r"(cbn?z\s+\w+),.*"), r"\1, target"),
    (re.compile(r"(tbn?z\s+\w+,\s*#\w+),.*"), r"\1, target"),
    (re.compile(r"(adrp?\s|ldr\s+\w+,\s*#).*"), "mov x9, #1"),
)


def read(file: Path) -> tuple[Counter[Block], dict[str, list[int]]]:
    """How often each block ran, and the counters, of a file of blocks.c."""
    blocks: Counter[Block] = Counter()
    counters: dict[str, list[int]] = {}
    for line in file.read_text().splitlines():
        first, *words = line.split()
        if first == "#":
            counters[words[0]] = [int(value) for value in words[1:]]
        else:
            blocks[tuple(words)] += int(first)
    if "misses" not in counters:
        raise DataError(f"{file}: no counters of caches; made by `python -m tests.board count`")
    return blocks, counters


def cost(file: Path, scheduling: str, prices: Prices) -> dict[str, object]:
    """Instructions, cycles and cache misses of one inference.

    Args:
        file: Of blocks.c.
        scheduling: The core, by llvm-mca's name.
        prices: Cycles of blocks, known and to be found out.
    """
    blocks, counters = read(file)
    ordered = sorted(blocks, key=lambda block: -blocks[block] * len(block))
    total = sum(count * len(block) for block, count in blocks.items())
    chosen, covered = [], 0
    for block in ordered:
        chosen.append(block)
        covered += blocks[block] * len(block)
        if covered > COVERED * total:
            break
    cycles = prices.of(scheduling, chosen)
    priced = sum(blocks[block] * cycles[block] for block in chosen)
    return {
        "instructions": total,
        "cycles": round(priced * total / covered),
        "accesses": counters["accesses"][0],
        **{name: counters[name] for name in ("misses", "disordered", "written", "tlb")},
    }


class Prices:
    """Cycles of blocks, kept in a file: what llvm-mca says of one takes milliseconds."""

    def __init__(self, file: Path) -> None:
        _require()
        self._file = file
        self._known: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}

    def of(self, scheduling: str, blocks: Iterable[Block]) -> Mapping[Block, float]:
        """Cycles of one run of each block."""
        keys = {block: f"{scheduling}|{' '.join(block)}" for block in blocks}
        missing = iter([block for block, key in keys.items() if key not in self._known])
        while part := list(islice(missing, AT_ONCE)):
            for block, cycles in zip(part, _priced(scheduling, part), strict=True):
                self._known[keys[block]] = cycles
            self._file.write_text(json.dumps(self._known))
        return {block: self._known[key] for block, key in keys.items()}


def _require() -> None:
    for tool in ("llvm-mc", "llvm-mca"):
        if shutil.which(f"{tool}-{LLVM}") is None:
            raise DataError(f"{tool}-{LLVM} is not here: apt-get install llvm-{LLVM}")


def _priced(scheduling: str, blocks: Sequence[Block]) -> Iterator[float]:
    words = [word for block in blocks for word in block]
    texts = iter(_disassembled(words))
    lines = ["target:"]
    for i, block in enumerate(blocks):
        lines += [f"# LLVM-MCA-BEGIN {i}", *islice(texts, len(block)), "# LLVM-MCA-END"]
    options = [f"-mcpu={scheduling}", f"-mattr={FEATURES}", "-iterations=60", "-json"]
    unknown = "-skip-unsupported-instructions=lack-sched"
    command = [f"llvm-mca-{LLVM}", "-mtriple=aarch64", *options, unknown]
    regions = json.loads(_run(command, "\n".join(lines) + "\n"))["CodeRegions"]
    for region in regions:
        summary = region["SummaryView"]
        yield summary["TotalCycles"] / summary["Iterations"]


def _disassembled(words: Sequence[str]) -> list[str]:
    """One line a word, in a form that llvm-mca takes."""
    command = [f"llvm-mc-{LLVM}", "-disassemble", "-triple=aarch64", "-mattr=+all"]
    distinct = sorted(set(words))
    known: dict[str, str] = {}
    texts = _lines(command, distinct)
    if len(texts) == len(distinct):
        known = dict(zip(distinct, texts, strict=True))
    else:  # some are no instruction that LLVM knows, and leave no line
        known = {word: next(iter(_lines(command, [word])), "nop") for word in distinct}
    return [_placed(known[word]) for word in words]


def _lines(command: Sequence[str], words: Sequence[str]) -> list[str]:
    text = "\n".join(" ".join(f"0x{word[i : i + 2]}" for i in (6, 4, 2, 0)) for word in words)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    lines = (line.strip() for line in done.stdout.splitlines())
    return [line for line in lines if line and not line.startswith(".")]


def _placed(text: str) -> str:
    if _FREE.match(text):
        return "nop"
    for pattern, instead in _TARGETS:
        text = pattern.sub(instead, text) if pattern.match(text) else text
    return text


def _run(command: Sequence[str], text: str) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"{command[0]}: {done.stderr.strip()[:400]}")
    return done.stdout
