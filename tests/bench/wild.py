"""python -m tests.bench.wild: detectors of others, by the accuracy that they have elsewhere.

Every model of the shared folder `models/wild` is given to `edge eval` with the words that a user
would type, and no others. Its AP on the 64 photographs of `data/coco/val` stands beside the one
that a decoder written apart from this project measured (score .03, IoU .65, at most 300 boxes an
image, a box for each class above the score). Exit status 0 when no AP is further off than 0.012 and
the mean difference is at most 0.003.

    python -m tests.bench.wild [NAME …]        a table on standard output
    python -m tests.bench.wild --write FILE    the same, with date and versions, into a page
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

EACH, MEAN = 0.012, 0.003
_RUNTIMES = ("ncnn", "MNN", "ai-edge-litert", "onnxruntime")
_YOLOV3_VEHICLE = "9,14,14,19,20,27,31,31,41,48,64,80"
_YOLOV3_PERSON = "32,93,62,106,113,132,4,9,10,25,23,49"
# What the files do not tell and their users know; every other model is run without a word.
SAYS: dict[str, tuple[str, ...]] = {
    "onnx-yolox-nano-imagenet": (
        *("--color", "rgb", "--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375"),
    ),
    # Its threshold and suppression are inside the graph, and the reference was measured with them.
    "ncnn-yolo-fastest-1.1": ("--conf", "0.55", "--iou", "0.45"),
    "ncnn-yolox-nano-focus": ("--imgsz", "416"),
    "ncnn-nanodet-plus-pnnx": ("--family", "nanodet-plus", "--imgsz", "416"),
    "ncnn-ghost-yolov5n": ("--family", "yolov5"),
    "mnn-yolov3-vehicle": (
        *("--family", "yolov3", "--anchors", _YOLOV3_VEHICLE, "--labels", "vehicle"),
    ),
    "tflite-yolov3-person-grey": (
        *("--family", "yolov3", "--anchors", _YOLOV3_PERSON, "--labels", "person"),
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One model.

    Attributes:
        name: Of its folder.
        says: Options beside the file.
        expected: AP and AP50 of the reference.
        measured: AP and AP50 by `edge eval`; None where it refused.
        words: Its last line on standard error where it refused.
    """

    name: str
    says: tuple[str, ...]
    expected: tuple[float, float]
    measured: tuple[float, float] | None
    words: str = ""

    @property
    def difference(self) -> float:
        """Of AP; infinite where there is none."""
        return abs(self.measured[0] - self.expected[0]) if self.measured else float("inf")


def models(shared: Path) -> dict[str, dict[str, object]]:
    """Facts of the models by name: those that have an accuracy."""
    facts = dict(json.loads((shared / "models/wild/wild.json").read_text()))
    return {model["name"]: model for model in facts["models"] if model.get("reference")}


def file(shared: Path, model: dict[str, object]) -> Path:
    """The one that a user would name."""
    return shared / "models/wild" / model["name"] / model["files"][0]["file"]  # type: ignore[index]


def measure(shared: Path, model: dict[str, object], data: Path | None = None) -> Row:
    """Evaluate one model in a process of its own."""
    name, reference = str(model["name"]), model["reference"]
    says = SAYS.get(name, ())
    command = [sys.executable, "-m", "edge", "eval", "--model", str(file(shared, model))]
    with TemporaryDirectory(prefix="edge-wild-") as folder:
        data = data or shared / "data/coco/val"
        if model["labels"] != "coco80":
            data = _of_one_class(data, Path(folder), model["labels"])  # type: ignore[arg-type]
        done = subprocess.run(
            [*command, "--data", str(data), "--conf", "0.03", "--iou", "0.65", "--json", *says],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    expected = (reference["AP"], reference["AP50"])  # type: ignore[index]
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Row(name, says, expected, None, lines[-1])
    metrics = json.loads(done.stdout)
    return Row(name, says, expected, (metrics["AP"], metrics["AP50"]))


def _of_one_class(data: Path, folder: Path, labels: Sequence[str]) -> Path:
    """The same images with the objects of one class alone; COCO's first, a person."""
    assert list(labels) == ["person"], labels
    (folder / "images").symlink_to((data / "images").resolve())
    (folder / "labels").mkdir()
    for path in (data / "labels").rglob("*.txt"):
        lines = [line for line in path.read_text().splitlines() if line.split()[:1] == ["0"]]
        (folder / "labels" / path.name).write_text("".join(f"{line}\n" for line in lines))
    (folder / "data.yaml").write_text("names: [person]\n")
    return folder


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        "| model | what is said beside the file | AP / AP50 elsewhere | here | difference |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        says = f"`{' '.join(row.says)}`" if row.says else "-"
        elsewhere = f"{row.expected[0]:.4f} / {row.expected[1]:.4f}"
        if row.measured:
            here, off = f"{row.measured[0]:.4f} / {row.measured[1]:.4f}", f"{row.difference:.4f}"
        else:
            here, off = f"refused: {row.words}", "-"
        lines.append(f"| {row.name} | {says} | {elsewhere} | {here} | {off} |")
    return "\n".join(lines)


def verdict(rows: Sequence[Row]) -> tuple[bool, str]:
    """Whether all is as it should be, and the figures."""
    differences = [row.difference for row in rows]
    worst, mean = max(differences), float(np.mean(differences))
    text = f"{len(rows)} models: difference {mean:.4f} in the mean, {worst:.4f} at worst"
    return worst <= EACH and mean <= MEAN, text


def _write(page: Path, text: str) -> None:
    """Replace what stands between the page's two marks."""
    marks = "<!-- wild: begin -->", "<!-- wild: end -->"
    pattern = re.compile(f"({re.escape(marks[0])}).*({re.escape(marks[1])})", re.DOTALL)
    old = page.read_text(encoding="utf-8")
    if not pattern.search(old):
        raise SystemExit(f"{page}: no place between {marks[0]} and {marks[1]}")
    new = pattern.sub(lambda match: f"{match[1]}\n{text}\n{match[2]}", old)
    page.write_text(new, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page with a place for it")
    args = parser.parse_args(argv)
    shared = Path(os.environ.get("EDGE_SHARED", "../shared"))
    facts = models(shared)
    if unknown := set(args.names) - facts.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(facts)}")
    rows = []
    for name in args.names or facts:
        rows.append(measure(shared, facts[name]))
        print(f"{name}: {rows[-1].measured or rows[-1].words}", file=sys.stderr, flush=True)
    fine, summary = verdict(rows)
    versions = ", ".join(f"{name} {version(name)}" for name in _RUNTIMES)
    text = f"{table(rows)}\n\n{summary} ({date.today().isoformat()}; {versions})."
    print(text)
    if args.write:
        _write(args.write, text)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
