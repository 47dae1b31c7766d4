"""The words of the project: the field's terms in American spelling.

    python tests/words.py     every finding; exit status 1 where there are some

Two lists. `NAMES` is for names in Python, read from the syntax tree: variables, parameters,
attributes, functions, classes. `PROSE` is for all text that people read: comments, docstrings,
messages, options and their help, keys, C++ and pages; codespell's list from British to American is
beside it. A line with `codespell:ignore` keeps a word that a file of an earlier format holds.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# A name that is exactly this, and what to say instead.
NAMES: Mapping[str, str] = {
    "alike": "agreement",
    "few": "subset",
    "floats": "float_layers",
    "found": "detections, or what it is",
    "goes_on": "resumed",
    "guise": "augmentation",
    "how": "options, method",
    "judged": "held_out",
    "judges": "held_out",
    "least": "min, or what it is",
    "maker": "producer",
    "most": "max, limit",
    "moves": "rounding_offsets, pass_through",
    "never_negative": "is_non_negative",
    "objections": "violations",
    "patience": "reconnect, retry",
    "pose": "build",
    "reach": "max_abs, radius",
    "rebase": "set_baseline",
    "remarks": "warnings",
    "said": "outputs, or what it is",
    "seen": "histograms, or what it is",
    "stored": "kept_in_int8",
    "tell": "progress",
    "told": "facts",
    "told_apart": "effective_range",
    "wanted": "expected",
    "Census": "BoxTally",
    "Delivery": "PendingResult",
    "Grid": "QuantParams",
    "Kept": "StageCache",
    "Lesson": "TrainingSample",
    "Opinions": "CandidateRanges",
    "Outlet": "SinkWorker",
    "Patience": "ReconnectPolicy, RetryPolicy",
    "Place": "DeviceLocator",
    "Problem": "SearchContext",
    "RefusedError": "GateFailedError",
    "Ring": "FrameQueue",
    "Rings": "FrameQueues",
    "Runs": "FrameDetector",
    "Said": "Outputs",
    "Shot": "RawFrame",
    "Site": "EqualizationPair",
    "Survey": "DataReport",
    "Tally": "Counters",
    "Trial": "IncrementalSimulator",
}
# Of somebody else's interface, not ours to name.
FOREIGN = {"tell": "of an open file", "floats": "of hypothesis"}

PROSE: Mapping[str, str] = {
    r"pictures?": "image",
    r"anew": "again",
    r"weather": "conditions",
    r"mends?": "fixes",
    r"the one that comes along": "the bundled model",
    r"none twice": "skip duplicates",
    r"distil": "distill",
    r"(?:re|de)?quantis\w*": "quantize",
    r"\w*artefact\w*": "artifact",
    r"\w*[Cc]olours?\w*": "color",
    r"\w*[Cc]entres?\w*": "center",
    r"licences?": "license",
}

SUFFIXES = (".py", ".pyi", ".md", ".cpp", ".h", ".inl", ".c", ".toml", ".cmake", ".txt", ".yml")


def names(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, name and what to say instead, for every name of a Python file that is in `NAMES`."""
    for node in ast.walk(ast.parse(text)):
        for name in _names(node):
            foreign = name in FOREIGN and isinstance(node, ast.Attribute)
            if name in NAMES and not foreign:
                yield getattr(node, "lineno", 1), name, NAMES[name]


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
            yield name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.keyword(arg=str(name)):
            yield name
        case ast.alias(name=name, asname=alias):
            yield alias or name.rpartition(".")[2]


def prose(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, word and what to say instead, for every word of a text that is in `PROSE`."""
    for number, line in enumerate(text.splitlines(), 1):
        if "codespell:ignore" in line:
            continue
        for pattern, better in PROSE.items():
            for match in re.finditer(rf"(?<![A-Za-z]){pattern}(?![a-z])", line, re.IGNORECASE):
                yield number, match[0], better


def spelling(files: list[Path]) -> list[str]:
    """What codespell finds, from British to American."""
    command = [sys.executable, "-m", "codespell_lib", "--builtin", "en-GB_to_en-US"]
    command += ["--ignore-words-list", "writeable", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 65):  # 65: it found something
        raise RuntimeError(f"codespell: {done.stderr.strip()}")
    return done.stdout.splitlines()


def files() -> list[Path]:
    """What is ours to word, of what git knows: no data, and not the lists themselves."""
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    skipped = ("tests/words.py", "tests/test_words.py", "edge/bundled/", "tests/models/")
    return [
        Path(name)
        for name in listed
        if name.endswith(SUFFIXES) and not name.startswith(skipped) and (ROOT / name).is_file()
    ]


def findings() -> list[str]:
    """A line for each."""
    results = []
    for file in files():
        text = (ROOT / file).read_text(encoding="utf-8")
        here = [*prose(text), *(names(text) if file.suffix == ".py" else ())]
        results += [f"{file}:{n}: {word} ==> {better}" for n, word, better in here]
    return [*results, *spelling(files())]


if __name__ == "__main__":
    lines = findings()
    print("\n".join(lines) or "the words are right")
    sys.exit(1 if lines else 0)
