"""From an opened float model to an INT8 package: decide, write, check, judge, describe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from itertools import chain, islice
from types import MappingProxyType
from typing import Any

from calibration.calibrate import describe, study
from calibration.calibrate.forecast import forecast
from calibration.calibrate.gate import Limits, violations
from calibration.calibrate.images import CalibrationSet, DataReport, survey, warnings
from calibration.calibrate.kept import StageCache
from calibration.calibrate.measure import find, row
from calibration.calibrate.progress import Progress
from calibration.calibrate.study import Network, Observed
from calibration.canonical import canonical, sources
from calibration.check import int8_file
from calibration.emit import float_artifact, int8_artifact
from calibration.graph import Graph
from calibration.quant.observe.inputs import Inputs
from calibration.quant.plan import structure
from calibration.quant.plan.prepare import prepare
from calibration.quant.search.recipes import RECIPES
from calibration.quant.solve import solve
from calibration.quant.spec import fingerprint, spec_file
from calibration.quant.spec.spec import FORMAT, QuantSpec
from calibration.report.facts import Facts, Row
from calibration.report.page import Pair
from calibration.runtimes import REFERENCE, runtime
from edge.backends.base import Precision
from edge.errors import CalibrationError, ModelError
from edge.io.datasets import Sample
from edge.models.base import ModelSpec
from edge.package import Artifact, Package
from edge.recognize import OpenedModel
from edge.types import Detections, UInt8Array
from edge.version import __version__

_CHECKED = 24  # images that each file is compared with its simulation on
_TRIED = 8  # images in which the network may find something to compare a cut by
_COSTS = 4  # images on which layers are tried one by one


class GateFailedError(CalibrationError):
    """The INT8 model does not do what the float one does.

    Attributes:
        lines: What is missing, what costs most and what to try.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("; ".join(lines))


@dataclass(frozen=True, slots=True)
class Options:
    """What a user chooses.

    Attributes:
        targets: Keys into `edge.backends.BACKENDS`.
        recipe: Its name.
        float_budget: Share of multiply-accumulates that may stay float.
        seed: Of what is drawn.
        limits: Of the gate.
        threads: Of an inference; 0 takes one per core.
        spec: Decisions that were made before; None to make them.
        qat: Train in full, in place of the recipe's own learning.
        teacher: A float model to learn from in place of the model itself.
    """

    targets: tuple[str, ...]
    recipe: str = "default"
    float_budget: float = 0.10
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    threads: int = 0
    spec: QuantSpec | None = None
    qat: bool = False
    teacher: OpenedModel | None = None

    @property
    def learns(self) -> bool:
        """Whether something is to be learned, which takes torch."""
        return self.spec is None and (self.qat or RECIPES[self.recipe].learning.steps > 0)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What passed the gate.

    Attributes:
        package: With an INT8 artifact for each target.
        spec: What was decided.
        facts: For the report.
        pairs: The images that agree worst.
    """

    package: Package
    spec: QuantSpec
    facts: Facts
    pairs: tuple[Pair, ...]


def identity(
    opened: OpenedModel, calibration_set: CalibrationSet, options: Options
) -> list[object]:
    """All that the stages of a calibration depend on; the gate's limits are not among it."""
    models = [opened] if options.teacher is None else [opened, options.teacher]
    files = [
        sha256(data).hexdigest()
        for model in models
        for artifact in model.package.artifacts
        for data in artifact.files.values()
    ]
    images = [
        _identity(s)
        for p in (calibration_set.observed, calibration_set.held_out)
        for s in p.samples
    ]
    spec = "" if options.spec is None else spec_file.dumps(options.spec)
    chosen = [options.targets, options.recipe, options.float_budget, options.seed, spec]
    chosen += [options.qat, options.teacher is not None]
    return [__version__, FORMAT, *files, opened.package.spec, *images, *chosen]


def run(
    opened: OpenedModel,
    calibration_set: CalibrationSet,
    options: Options,
    progress: Progress,
    kept: StageCache,
) -> Outcome:
    """Calibrate a model.

    Args:
        opened: With a float artifact for ONNX Runtime or ncnn.
        calibration_set: The images.
        options: See there.
        progress: Is told what is done.
        kept: Finished stages.

    Raises:
        GateFailedError: The gate; says what is missing, what costs most and what to try.
        CalibrationError: The images or the spec do not do.
        ModelError: A file does not compute what it should.
        BackendError: A runtime is missing or failed.
    """
    looked = survey(calibration_set.observed, partial(progress, "look at the images"))
    held_out = survey(calibration_set.held_out, partial(progress, "look at the images that judge"))
    progress("read the network", 0, 0)
    graph, model, sentence = canonical(opened.package, islice(looked.usable.images(), _TRIED))
    progress.finish()
    notes = [*warnings(looked, held_out, model.input), *forecast(prepare(graph), options.targets)]
    if options.learns and find_spec("torch") is None:
        notes.append("nothing is learned by distillation without torch (the extra train)")
    for note in notes:
        progress.say(f"note: {note}")
    network, observed, recipe_facts = _decide(graph, model, looked, options, progress, kept)

    reference = Package(
        opened.package.name,
        model,
        (float_artifact(REFERENCE, network.graph),),
        license=opened.package.license,
        sources=sources(opened.package, model),
    )
    in_float = _detections(reference, REFERENCE, "fp32", held_out, options, progress, kept)
    images = _some(held_out, looked)
    checks = {target: _write(network, target, images, progress) for target in options.targets}
    package = replace(reference, artifacts=tuple(artifact for artifact, _ in checks.values()))
    in_int8 = {
        target: _detections(package, target, "int8", held_out, options, progress, kept)
        for target in options.targets
    }
    truth = held_out.usable.truth(held_out.sizes) if held_out.usable.labeled else None
    progress("compare", 0, 0)
    rows = {
        target: row(target, in_float, each, truth, len(model.labels))
        for target, each in in_int8.items()
    }
    _gate(network, rows, observed, looked, options, progress)

    curve = options.recipe != "fast"
    simulated = describe.part(held_out, in_float, truth)
    schemes = describe.schemes(network, options.targets, simulated, observed, progress, curve=curve)
    targets = tuple(
        describe.target(network, rows[name], checks[name][1], package, held_out, options, progress)
        for name in options.targets
    )
    progress.finish()
    facts = describe.facts(
        package, network.spec, looked, held_out, str(options.limits), notes, targets, schemes,
        progress.seconds, recipe_facts,
    )  # fmt: skip
    package = replace(
        package,
        provenance=MappingProxyType({**opened.package.provenance, "converted": [sentence]}),
        quantization=MappingProxyType(describe.summary(facts, network.spec)),
    )
    return Outcome(package, network.spec, facts, describe.pairs(model, held_out, in_float, in_int8))


def _decide(
    graph: Graph,
    model: ModelSpec,
    looked: DataReport,
    options: Options,
    progress: Progress,
    kept: StageCache,
) -> tuple[Network, Observed, Mapping[str, Any]]:
    """The decisions, what is known of the values, and what the recipe says of itself."""
    if options.spec is not None:
        prepared = prepare(graph)
        if options.spec.model not in ("", fingerprint.of_graph(prepared)):
            raise CalibrationError(
                "the spec is of another network: its `model` is the SHA-256 of the one that it was "
                "calibrated for"
            )
        network = Network(prepared, model, options.spec)
        for target in options.targets:
            _check_spec(network, target)
        return (
            network,
            Observed.again(network, options.targets, _first_inputs(looked, model), progress),
            {},
        )

    teacher = None
    if options.teacher is not None:
        images = islice(looked.usable.images(), _TRIED)
        teacher = _teacher(options.teacher.package, images, model)

    def decided() -> bytes:
        made = solve.calibrate(
            graph,
            model,
            looked.usable.images(),
            options.targets,
            solve.Options(
                options.recipe,
                options.float_budget,
                qat=options.qat,
                teacher=teacher,
                seed=options.seed,
            ),
            progress,
        )
        return json.dumps({"spec": spec_file.dumps(made.spec), "facts": made.facts}).encode()

    made = json.loads(kept.data("calibrated.json", decided))
    spec = spec_file.loads(made["spec"])
    network = Network(prepare(graph), model, spec)
    return network, Observed.of_recipe(made["facts"]), made["facts"]


def _teacher(package: Package, images: Iterable[UInt8Array], model: ModelSpec) -> Graph:
    try:
        graph, spec, _ = canonical(package, images)
    except ModelError as error:
        raise CalibrationError(
            f"the teacher's network cannot be read at {package.spec.input}: {error}; a teacher has "
            "the same input, classes and kind of head"
        ) from error
    for what in ("family", "form", "labels", "strides", "anchors", "preprocessing"):
        theirs, ours = getattr(spec, what), getattr(model, what)
        if theirs != ours:
            raise CalibrationError(
                f"the teacher's {what}: {theirs}; the network's: {ours}. A teacher reads the "
                "same pixels and says the same by its outputs"
            )
    return prepare(graph)


def _check_spec(network: Network, target: str) -> None:
    try:
        _, planned = network.at(target)
    except CalibrationError as error:
        raise CalibrationError(
            f"the spec does not serve {target}: {error}; calibrate for all --targets at once to "
            "have a spec that does"
        ) from error
    if not planned.layers:
        raise CalibrationError(f"the spec leaves all of {target} in float: there is no INT8 in it")


def _detections(
    package: Package,
    backend: str,
    precision: Precision,
    held_out: DataReport,
    options: Options,
    progress: Progress,
    kept: StageCache,
) -> list[Detections]:
    """What a file finds in the held-out images."""
    words = "detect in float" if precision == "fp32" else f"detect with {backend} int8"
    total = len(held_out.usable)
    return kept.detections(
        f"{backend}-{precision}",
        lambda: find(
            package,
            backend,
            precision,
            held_out.usable.images(),
            lambda done: progress(words, done, total),
            threads=options.threads,
        ),
    )


def _first_inputs(looked: DataReport, model: ModelSpec) -> Inputs:
    return Inputs.of(islice(looked.usable.images(), _COSTS), model)


def _some(*surveys: DataReport) -> list[UInt8Array]:
    """Images to compare runtimes on, of the first as long as it has some."""
    images = chain.from_iterable(each.usable.images() for each in surveys)
    return list(islice(images, _CHECKED))


def _write(
    network: Network, target: str, images: Sequence[UInt8Array], progress: Progress
) -> tuple[Artifact, int8_file.Verified]:
    """The file of one runtime, and how near it is to its simulation."""
    progress(f"write and check {target} int8", 0, 0)
    graph, planned = network.at(target)
    artifact = int8_artifact(graph, planned)
    return artifact, int8_file.check(artifact, graph, planned, network.model, images)


def _gate(
    network: Network,
    rows: Mapping[str, Row],
    observed: Observed,
    looked: DataReport,
    options: Options,
    progress: Progress,
) -> None:
    """Let pass, or refuse with reasons and advice."""
    refused = {
        target: reasons
        for target, each in rows.items()
        if (reasons := violations(each.agreement, options.limits, each.labels.get("AP")))
    }
    if not refused:
        return
    lines = [f"{target} int8 is refused: {'; '.join(why)}" for target, why in refused.items()]
    target = next(iter(refused))
    if rows[target].agreement.expected:
        cost = observed.cost.get(runtime(target).scheme)
        if not cost:
            subset = _first_inputs(looked, network.model)
            cost = study.costs(network, target, subset, partial(progress, "see what costs most"))
        _, planned = network.at(target)
        cost = {name: value for name, value in cost.items() if name in planned.layers}
        worst = sorted(cost, key=lambda name: -cost[name])[:5]
        shown = ", ".join(f"{name} ({cost[name]:.3g})" for name in worst)
        lines.append(f"layers that cost most in {target}, the objective with each alone: {shown}")
        advice = _advice(network, target, options, len(looked.usable))
        lines.append(f"what to try: {'; '.join(advice)}")
    raise GateFailedError(lines)


def _advice(network: Network, target: str, options: Options, images: int) -> list[str]:
    advice = []
    if images < 64:
        advice.append(f"more images ({images} were observed; 64 to 128 are good)")
    if options.spec is not None:
        advice.append(
            "name those layers among the spec's float_layers, or calibrate without --spec"
        )
    else:
        if options.recipe != "best":
            advice.append("--recipe best")
        if options.float_budget < 1:
            advice.append(f"--float-budget {min(1.0, 2 * options.float_budget or 0.1):g}")
    rounded = network.at(target)[1].layers
    if any(
        structure.is_depthwise(network.graph, node) and node.name in rounded
        for node in structure.convolutions(network.graph)
    ):
        advice.append("depthwise layers in float: their channels rarely share one scale")
    return advice


def _identity(sample: Sample) -> tuple[object, ...]:
    if sample.render is not None:
        return (sample.path,)
    status = sample.path.stat()
    return (sample.path, status.st_size, status.st_mtime_ns)
