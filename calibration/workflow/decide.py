"""What is INT8 and in which ranges: decided now, or read from a spec that was made before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from calibration.canonical import canonical
from calibration.graph import Graph
from calibration.quant.options.options import Options
from calibration.quant.plan.prepare import prepare
from calibration.quant.solve import solve
from calibration.quant.spec import fingerprint, spec_file
from calibration.quant.spec.spec import QuantSpec
from calibration.workflow.images import DataReport
from calibration.workflow.kept import StageCache
from calibration.workflow.progress import Progress
from calibration.workflow.study import Network, Observed, first_inputs
from edge.errors import CalibrationError, ModelError
from edge.models.base import ModelSpec
from edge.package import Package
from edge.types import UInt8Array

TRIED = 8  # images in which the network may find something to compare a cut by


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """What was decided.

    Attributes:
        network: With its spec.
        observed: What is known of the values that it takes.
        facts: How the spec came about, see `quant.solve.summary`; empty where it was given.
    """

    network: Network
    observed: Observed
    facts: Mapping[str, Any]


def decide(
    graph: Graph,
    model: ModelSpec,
    looked: DataReport,
    options: Options,
    progress: Progress,
    kept: StageCache,
) -> Decided:
    """Seek the quantization of a network, or take the one that the options give.

    Args:
        graph: Canonical.
        model: Says what its outputs are.
        looked: The images to observe.
        options: See there.
        progress: Is told what is done.
        kept: Finished stages.

    Raises:
        CalibrationError: The images, the spec or the teacher do not do.
    """
    if options.spec is not None:
        return _given(graph, model, options.spec, looked, options, progress)
    teacher = None
    if options.teacher is not None:
        images = islice(looked.usable.images(), TRIED)
        teacher = _teacher(options.teacher.package, images, model)

    def sought() -> bytes:
        images = looked.usable.images()
        made = solve.calibrate(graph, model, images, options, teacher=teacher, report=progress)
        return json.dumps({"spec": spec_file.dumps(made.spec), "facts": made.facts}).encode()

    made = json.loads(kept.data("calibrated.json", sought))
    network = Network(prepare(graph), model, spec_file.loads(made["spec"]))
    return Decided(network, Observed.of_recipe(made["facts"]), made["facts"])


def _given(
    graph: Graph,
    model: ModelSpec,
    spec: QuantSpec,
    looked: DataReport,
    options: Options,
    progress: Progress,
) -> Decided:
    prepared = prepare(graph)
    if spec.model not in ("", fingerprint.of_graph(prepared)):
        raise CalibrationError(
            "the spec is of another network: its `model` is the SHA-256 of the one that it was "
            "calibrated for"
        )
    network = Network(prepared, model, spec)
    for target in options.targets:
        _check_spec(network, target)
    inputs = first_inputs(looked.usable.images(), model)
    return Decided(network, Observed.again(network, options.targets, inputs, progress), {})


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
                f"the teacher's {what}: {theirs}; the network's: {ours}; a teacher has "
                "the same input, classes and kind of head"
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
