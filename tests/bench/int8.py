"""python -m tests.bench.int8 [--write]: our INT8 beside the usual ways to it, and beside float.

Every model is calibrated here, by our recipe and by each of the others on the same images; all
files run in their real runtimes, on images that none of them saw. Then the files of our recipe
and float ones of the same network run in turns, one thread, so that a slow moment meets both.
Needs EDGE_SHARED or the shared data beside the checkout, the extras of every runtime and `train`;
a tool that is not installed (ai-edge-quantizer) is left out.

What was measured goes to int8.json beside this file, model by model: a run with --only replaces
those alone. --write puts the tables into calibration/docs/explanation/int8-measured.md.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"

import numpy as np

from calibration.canonical import canonical
from calibration.emit import float_artifact, int8_artifact
from calibration.graph import Graph
from calibration.quant.observe.inputs import Inputs
from calibration.quant.options.options import Options
from calibration.quant.plan import equalize, structure
from calibration.quant.plan.plan import Plan
from calibration.quant.plan.planning import plan
from calibration.quant.plan.prepare import prepare
from calibration.quant.search.weights import largest
from calibration.quant.solve import solve
from calibration.quant.spec.spec import LayerSpec, QuantSpec
from calibration.report.facts import Row
from calibration.runtimes import runtime
from calibration.workflow.images import Images, divide, open_images
from calibration.workflow.measure import find, race, row
from calibration.workflow.study import float_operations
from edge import board
from edge.cli import checkpoints
from edge.io.datasets import Objects
from edge.overrides import Overrides
from edge.package import Artifact, Package
from edge.types import Detections, Frame
from tests.bench.ablation import first_and_last

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "calibration/docs/explanation/int8-measured.md"
BEGIN, END = "<!-- tests/bench/int8.py from here -->", "<!-- to here -->"
TARGETS = ("ncnn", "mnn", "tflite", "onnxruntime")
TURNS = 5  # races; the median of them counts
_SIX_BITS = 31  # codes on each side, where a runtime does not trust its sums


@dataclass(frozen=True, slots=True)
class Task:
    """A model, and images: below the shared folder, but for models in the tests.

    Attributes:
        model: Float.
        calibrated: Images to calibrate on.
        held_out: Others, with labels.
        ends: Whether to see what it is with all in INT8 but the first layer and the last.
    """

    model: str
    calibrated: str
    held_out: str
    ends: bool = False


CELLS = ("data/bccd?split=train", "data/bccd?split=test", True)
TASKS: Mapping[str, Task] = {
    "YOLOv6-n, BCCD": Task(str(ROOT / "tests/models/bccd-yolov6n.edge"), *CELLS),
    "YOLOv7-tiny, BCCD": Task(str(ROOT / "tests/models/bccd-yolov7-tiny.edge"), *CELLS),
    "YOLOv6Lite-L, COCO": Task(
        "models/yolov6lite/yolov6-lite-l.param", "data/coco/calib", "data/coco/val"
    ),
}


class Subject:
    """A network with its images, and what its float form finds.

    Args:
        task: What to open.
        shared: The folder.
        images: To calibrate on at most.
        judges: To judge by at most.
    """

    def __init__(self, task: Task, shared: Path, images: int, held_out: int) -> None:
        opened = checkpoints.open_model([shared / task.model], Overrides())
        labels = opened.package.spec.labels
        data = open_images(str(shared / task.calibrated), labels, strict=False)
        held = open_images(str(shared / task.held_out), labels, strict=True)
        calibration_set = divide(data, held.at(range(min(held_out, len(held)))), images, seed=0)
        self.observed, self.held_out = calibration_set.observed, calibration_set.held_out
        observed = islice(self.observed.images(), 8)
        self.graph, self.model, _ = canonical(opened.package, observed)
        self.truth = _truth(self.held_out)
        self.ends = task.ends

    @cached_property
    def inputs(self) -> Inputs:
        """The calibration images as the network reads them."""
        return Inputs.of(self.observed.images(), self.model)

    @cached_property
    def expected(self) -> list[Detections]:
        """What the float network finds."""
        return self._find(float_artifact("onnxruntime", self.graph))

    def spec(self, recipe: str, *, ends: bool = False) -> tuple[Graph, QuantSpec]:
        """What a recipe decides, and the prepared network that its spec speaks of.

        Args:
            recipe: Its name.
            ends: The first convolution and the last are float, and no others.
        """
        start = time.process_time()
        options = Options(targets=TARGETS, recipe=recipe)
        if ends:
            kept = tuple(first_and_last(prepare(self.graph)))
            options = replace(options, float_budget=0.0, keep_float=kept)
        made = solve.calibrate(
            self.graph, self.model, self.observed.images(), options, report=_tell
        )
        print(f"{recipe}: {time.process_time() - start:.0f} CPU s", file=sys.stderr, flush=True)
        return made.graph, made.spec

    def measure(self, artifact: Artifact) -> Row:
        """A file in its runtime, compared with float and with labels."""
        result = self._find(artifact)
        return row(artifact.backend, self.expected, result, self.truth, len(self.model.labels))

    def packed(self, artifact: Artifact) -> Package:
        """A file as a package."""
        return Package("bench", self.model, (artifact,))

    def _find(self, artifact: Artifact) -> list[Detections]:
        images = self.held_out.images()
        packed = self.packed(artifact)
        backend, kind = artifact.backend, artifact.precision
        return find(packed, backend, kind, images, lambda _: None, threads=1)


def _truth(images: Images) -> list[Objects]:
    return images.truth([Frame.of(image).size for image in images.images()])


def _tell(stage: str, done: int, total: int) -> None:
    if done == total:
        print(f"  {stage}", file=sys.stderr, flush=True)


# --- The ways -------------------------------------------------------------------------------------


def written(graph: Graph, spec: QuantSpec, target: str) -> Artifact:
    """The INT8 file of a spec."""
    return int8_artifact(graph, plan(graph, spec, target))


def six_bits(graph: Graph, spec: QuantSpec) -> QuantSpec:
    """Weights of 3x3 convolutions of stride 1 on 31 steps to each side.

    So ncnn's table has them, and others' safe modes, because Winograd's transforms could overflow.
    """
    changed = {}
    for kind, scheme in spec.schemes.items():
        layers, level = dict(scheme.layers), equalize.equalized(graph, scheme.equalization)
        for node in structure.convolutions(level):
            window = level.shapes[node.inputs[1]][2:]
            plain = node.get("group", 1) == 1 and max(node.ints("strides", (1,))) == 1
            if node.name in layers and window == (3, 3) and plain:
                steps = largest(level, node).weight_scales * np.float32(127 / _SIX_BITS)
                layers[node.name] = LayerSpec(steps, layers[node.name].bias)
        changed[kind] = replace(scheme, layers=layers)
    return replace(spec, schemes=changed)


def onnxruntime_static(subject: Subject) -> Artifact:
    """By `quantize_static` of ONNX Runtime: least and greatest value, weights by channel."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    inputs, name = subject.inputs, subject.graph.inputs[0]

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(range(len(inputs)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            index = next(self.left, None)
            return None if index is None else {name: inputs.real(index)}

    with tempfile.TemporaryDirectory() as folder:
        source, clean, out = (str(Path(folder, f"{n}.onnx")) for n in ("float", "clean", "int8"))
        Path(source).write_bytes(float_artifact("onnxruntime", subject.graph).files["onnx"])
        quant_pre_process(source, clean)
        quantize_static(
            clean,
            out,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return Artifact("onnxruntime", "int8", {"onnx": Path(out).read_bytes()})


def ai_edge(subject: Subject) -> Artifact:
    """By ai-edge-quantizer, Google's tool for .tflite files: least and greatest value."""
    from ai_edge_quantizer import quantizer, recipe

    files = float_artifact("tflite", subject.graph).files
    tool = quantizer.Quantizer(files["tflite"], recipe.static_wi8_ai8())
    inputs, name = subject.inputs, subject.graph.inputs[0]
    images = [{name: inputs.real(i).transpose(0, 2, 3, 1)} for i in range(len(inputs))]
    observed = tool.calibrate({"serving_default": images})
    data = bytes(tool.quantize(observed).quantized_model)
    return Artifact("tflite", "int8", {"tflite": data}, "NHWC")


def ways(
    subject: Subject, recipe: str
) -> Iterator[tuple[str, Artifact, Graph | None, Plan | None]]:
    """Each way by its name: its file, and where it has one, its plan with the graph of that."""

    def by(graph: Graph, spec: QuantSpec, target: str) -> tuple[Artifact, Graph, Plan]:
        graph = equalize.at(graph, spec, target)
        return written(graph, spec, target), graph, plan(graph, spec, target)

    graph, spec = subject.spec(recipe)
    for target in TARGETS:
        yield f"edge, {recipe}", *by(graph, spec, target)
    yield "the same, 3x3 weights on 31 steps", *by(graph, six_bits(graph, spec), "ncnn")
    if subject.ends:
        graph, spec = subject.spec(recipe, ends=True)
        for target in TARGETS:
            yield f"edge, {recipe}, all but first and last", *by(graph, spec, target)
    graph, spec = subject.spec("entropy")
    yield "divergence, 3x3 weights on 31 steps: ncnn's", *by(graph, six_bits(graph, spec), "ncnn")
    yield "divergence", *by(graph, spec, "ncnn")
    yield "divergence: MNN's", *by(graph, spec, "mnn")
    graph, spec = subject.spec("min-max")
    yield "min-max", *by(graph, spec, "ncnn")
    yield "min-max: TensorFlow Lite's", *by(graph, spec, "tflite")
    for name, tool in (("ai-edge-quantizer", ai_edge), ("quantize_static", onnxruntime_static)):
        made = _tried(name, tool, subject)
        if made is not None:
            yield f"{name}, the tool itself", made, None, None


def _tried(name: str, tool: Callable[[Subject], Artifact], subject: Subject) -> Artifact | None:
    try:
        with redirect_stdout(sys.stderr):  # they tell how it goes
            return tool(subject)
    except ModuleNotFoundError as error:
        print(f"{name} is left out: {error}", file=sys.stderr, flush=True)
        return None


def compared(subject: Subject, recipe: str) -> tuple[list[dict[str, Any]], dict[str, Artifact]]:
    """A row for each way, and the files of our recipe by runtime."""
    rows, ours = [], {}
    for name, artifact, graph, planned in ways(subject, recipe):
        ours.setdefault(artifact.backend, artifact)
        measured = subject.measure(artifact)
        known = None
        if graph is not None and planned is not None:
            known = len(planned.layers), float_operations(graph, planned)
        rows.append({"way": name, "int8": known, **asdict(measured)})
        print(f"  {name}, {artifact.backend}: {measured.agreement}", file=sys.stderr, flush=True)
    return rows, {target: ours[target] for target in TARGETS}


# --- Speed ----------------------------------------------------------------------------------------


def speed(subject: Subject, files: Mapping[str, Artifact]) -> list[dict[str, Any]]:
    """Milliseconds of an inference in float and in INT8, of each runtime."""
    rows = []
    image = next(subject.held_out.images())
    for target, int8 in files.items():
        kind = runtime(target).precision
        float_layers = float_artifact(target, subject.graph, half=kind == "fp16")
        entries = [(subject.packed(a), target, a.precision) for a in (float_layers, int8)]
        times = np.median([race(entries, image, threads=1) for _ in range(TURNS)], axis=0)
        milliseconds = dict(zip(("float", "int8"), (1e3 * times).tolist(), strict=True))
        rows.append({"target": target, **milliseconds})
        print(f"  {rows[-1]}", file=sys.stderr, flush=True)
    return rows


# --- Tables ---------------------------------------------------------------------------------------


def markdown(results: Mapping[str, Any]) -> str:
    """Both tables, with the circumstances of each model."""
    lines = [
        "| model | way | runtime | INT8 layers | float work | agreement AP / AP50 | recall | "
        "precision | AP | change, 95 % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        lines += [_row(name, each) for each in result["rows"]]
    lines += ["", "| model | runtime | float | INT8 | float / INT8 |", "|---|---|---|---|---|"]
    for name, result in results.items():
        lines += [
            f"| {name} | {each['target']} | {each['float']:.1f} ms | {each['int8']:.1f} ms | "
            f"{each['float'] / each['int8']:.2f} |"
            for each in result["speed"]
        ]
    lines += ["", *dict.fromkeys(result["circumstances"] for result in results.values())]
    return "\n".join(lines)


def _row(name: str, results: Mapping[str, Any]) -> str:
    agreement, change = results["agreement"], results["labels"]["AP"]
    cells = [
        name,
        results["way"],
        results["name"],
        *(("", "") if results["int8"] is None else _size(*results["int8"])),
        f"{100 * agreement['ap']:.1f} / {100 * agreement['ap50']:.1f}",
        _percent(agreement["recall"]),
        _percent(agreement["precision"]),
        f"{100 * change['after']:.1f} of {100 * change['before']:.1f}",
        f"{100 * (change['after'] - change['before']):+.1f} "
        f"({100 * change['low']:+.1f} … {100 * change['high']:+.1f})",
    ]
    return f"| {' | '.join(cells)} |"


def _size(layers: int, float_layers: float) -> tuple[str, str]:
    return str(layers), f"{100 * float_layers:.1f} %"


def _percent(value: float) -> str:
    return "none" if value < 0 else f"{100 * value:.1f}"


def circumstances(subject: Subject) -> str:
    """Where and on what it was measured."""
    here = board.identify()
    kinds = ("ncnn", "MNN", "ai-edge-litert", "onnxruntime")
    runtimes = ", ".join(f"{kind} {version(kind)}" for kind in kinds)
    load = os.getloadavg()[0]
    return (
        f"{here.cpu}, one thread, load {load:.1f}; {runtimes}; calibrated on "
        f"{len(subject.observed)} images, judged on {len(subject.held_out)} others."
    )


def main() -> int:
    """Measure, keep, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.int8", description=__doc__)
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--recipe", default="default", help="ours")
    parser.add_argument("--images", type=int, default=128, help="to calibrate on, at most")
    parser.add_argument("--judges", type=int, default=1000, help="to judge by, at most")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--no-run", action="store_true", help="only write what was measured before")
    parser.add_argument("--write", action="store_true", help="into int8-measured.md, between marks")
    args = parser.parse_args()
    shared = Path(os.environ.get("EDGE_SHARED") or ROOT.parent / "shared")
    results = json.loads(args.out.read_text()) if args.out.exists() else {}
    for name, task in {} if args.no_run else TASKS.items():
        if args.only not in name:
            continue
        print(name, file=sys.stderr, flush=True)
        subject = Subject(task, shared, args.images, args.held_out)
        rows, files = compared(subject, args.recipe)
        results[name] = {
            "rows": rows,
            "speed": speed(subject, files),
            "circumstances": circumstances(subject),
        }
        args.out.write_text(json.dumps(results, indent=1) + "\n")
    table = markdown(results)
    print(table)
    if args.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, mark, after = rest.partition(END)
        if not mark:
            raise SystemExit(f"{PAGE} has no marks {BEGIN} and {END}")
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
