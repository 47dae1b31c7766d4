"""From an opened float model to an INT8 package: read, decide, write, measure, judge, describe.

One way: what a step gives is a value that the next ones take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from itertools import chain, islice
from types import MappingProxyType

from calibration.canonical import canonical, sources
from calibration.check import int8_file
from calibration.emit import float_artifact, int8_artifact
from calibration.graph import Graph
from calibration.quant.options.options import Options
from calibration.quant.plan.prepare import prepare
from calibration.quant.spec import spec_file
from calibration.quant.spec.spec import FORMAT, QuantSpec
from calibration.report.facts import Facts, Row
from calibration.report.page import Pair
from calibration.runtimes import REFERENCE
from calibration.workflow import describe, gate
from calibration.workflow.decide import TRIED, Decided, decide
from calibration.workflow.forecast import forecast
from calibration.workflow.images import CalibrationSet, DataReport, survey, warnings
from calibration.workflow.kept import StageCache
from calibration.workflow.measure import find, row
from calibration.workflow.progress import Progress
from calibration.workflow.study import Network
from edge.backends.base import Precision
from edge.io.datasets import Objects, Sample
from edge.models.base import ModelSpec
from edge.package import Artifact, Package
from edge.recognize import OpenedModel
from edge.types import Detections, UInt8Array
from edge.version import __version__

_CHECKED = 24  # images that each file is compared with its simulation on

# What these options change is decided again each time, or has an identity of its own.
_NO_STAGE = ("limits", "threads", "spec", "teacher", "max_images")


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


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A float network, and the images.

    Attributes:
        observed: To calibrate on.
        held_out: For the gate and the report.
        graph: Canonical.
        model: Says what its outputs are.
        cut: A sentence on where it was cut.
        notes: What a person should know, one line each.
    """

    observed: DataReport
    held_out: DataReport
    graph: Graph
    model: ModelSpec
    cut: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Written:
    """The files.

    Attributes:
        reference: The float network, for what all others are compared with.
        package: The INT8 files.
        checks: How near each is to its simulation, by target.
    """

    reference: Package
    package: Package
    checks: Mapping[str, int8_file.Verified]


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What the files find in the held-out images.

    Attributes:
        in_float: The reference's detections.
        in_int8: Each target's.
        truth: Labels, where there are any.
        rows: Each target compared with float and with labels.
    """

    in_float: Sequence[Detections]
    in_int8: Mapping[str, Sequence[Detections]]
    truth: Sequence[Objects] | None
    rows: Mapping[str, Row]


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
    chosen = [
        (each.name, getattr(options, each.name))
        for each in fields(options)
        if each.name not in _NO_STAGE
    ]
    return [__version__, FORMAT, *files, opened.package.spec, *images, *chosen, spec, len(models)]


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
    read = _read(opened, calibration_set, options, progress)
    decided = decide(read.graph, read.model, read.observed, options, progress, kept)
    written = _write(opened.package, read, decided.network, options, progress)
    measured = _measure(written, read, options, progress, kept)
    gate.check(decided, measured.rows, read.observed, options, progress)
    return _described(opened.package, read, decided, written, measured, options, progress)


def _read(
    opened: OpenedModel, calibration_set: CalibrationSet, options: Options, progress: Progress
) -> _Read:
    observed = survey(calibration_set.observed, partial(progress, "look at the images"))
    held_out = survey(calibration_set.held_out, partial(progress, "look at the images that judge"))
    progress("read the network", 0, 0)
    graph, model, cut = canonical(opened.package, islice(observed.usable.images(), TRIED))
    progress.finish()
    notes = [*warnings(observed, held_out, model.input), *forecast(prepare(graph), options.targets)]
    if options.learning.steps and find_spec("torch") is None:
        notes.append("nothing is learned by distillation without torch (the extra train)")
    for note in notes:
        progress.say(f"note: {note}")
    return _Read(observed, held_out, graph, model, cut, tuple(notes))


def _write(
    package: Package, read: _Read, network: Network, options: Options, progress: Progress
) -> _Written:
    """The files of all targets, each compared with its simulation before the next is written."""
    reference = Package(
        package.name,
        read.model,
        (float_artifact(REFERENCE, network.graph),),
        license=package.license,
        sources=sources(package, read.model),
    )
    images = _some(read.held_out, read.observed)
    artifacts: list[Artifact] = []
    checks = {}
    for target in options.targets:
        progress(f"write and check {target} int8", 0, 0)
        graph, planned = network.at(target)
        artifact = int8_artifact(graph, planned)
        checks[target] = int8_file.check(artifact, graph, planned, network.model, images)
        artifacts.append(artifact)
    return _Written(reference, replace(reference, artifacts=tuple(artifacts)), checks)


def _measure(
    written: _Written, read: _Read, options: Options, progress: Progress, kept: StageCache
) -> _Measured:
    held_out = read.held_out

    def detections(package: Package, backend: str, precision: Precision) -> list[Detections]:
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

    in_float = detections(written.reference, REFERENCE, "fp32")
    in_int8 = {target: detections(written.package, target, "int8") for target in options.targets}
    truth = held_out.usable.truth(held_out.sizes) if held_out.usable.labeled else None
    progress("compare", 0, 0)
    classes = len(read.model.labels)
    rows = {name: row(name, in_float, each, truth, classes) for name, each in in_int8.items()}
    return _Measured(in_float, in_int8, truth, rows)


def _described(
    package: Package,
    read: _Read,
    decided: Decided,
    written: _Written,
    measured: _Measured,
    options: Options,
    progress: Progress,
) -> Outcome:
    network, held_out = decided.network, read.held_out
    curve = options.recipe != "fast"
    simulated = describe.part(held_out, measured.in_float, measured.truth)
    schemes = describe.schemes(
        network, options.targets, simulated, decided.observed, progress, curve=curve
    )
    targets = tuple(
        describe.target(
            network, measured.rows[name], written.checks[name], written.package, held_out, options,
            progress,
        )
        for name in options.targets
    )  # fmt: skip
    progress.finish()
    facts = describe.facts(
        written.package, network.spec, read.observed, held_out, str(options.limits), read.notes,
        targets, schemes, progress.seconds, decided.facts,
    )  # fmt: skip
    described = replace(
        written.package,
        provenance=MappingProxyType({**package.provenance, "converted": [read.cut]}),
        quantization=MappingProxyType(describe.summary(facts, network.spec)),
    )
    pairs = describe.pairs(read.model, held_out, measured.in_float, measured.in_int8)
    return Outcome(described, network.spec, facts, pairs)


def _some(*surveys: DataReport) -> list[UInt8Array]:
    """Images to compare runtimes on, of the first as long as it has some."""
    images = chain.from_iterable(each.usable.images() for each in surveys)
    return list(islice(images, _CHECKED))


def _identity(sample: Sample) -> tuple[object, ...]:
    if sample.render is not None:
        return (sample.path,)
    status = sample.path.stat()
    return (sample.path, status.st_size, status.st_mtime_ns)
