"""From what was measured to the facts of a report, and to the few that a package carries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from hashlib import sha256
from typing import Any

from calibration.check import int8_file
from calibration.emit import float_artifact
from calibration.quant.options.options import Options
from calibration.quant.plan import structure
from calibration.quant.spec import spec_file
from calibration.quant.spec.spec import QuantSpec
from calibration.report.facts import Facts, Row, Scheme, Target
from calibration.report.page import Pair
from calibration.runtimes import runtime
from calibration.workflow import study
from calibration.workflow.images import DataReport
from calibration.workflow.measure import overlap, race
from calibration.workflow.progress import Progress
from calibration.workflow.study import Judged, Network, Observed
from edge import board
from edge.evaluate import agreement
from edge.io.datasets import Objects
from edge.models.base import ModelSpec
from edge.package import Package
from edge.types import Detections
from edge.version import __version__

_SIMULATED = 24  # images for what the report simulates
_WORST = 4  # images on the page


def part(
    held_out: DataReport, expected: Sequence[Detections], truth: Sequence[Objects] | None
) -> Judged:
    """The images that are simulated: so few that it takes no longer than the calibration."""
    places = range(min(_SIMULATED, len(expected)))
    return Judged(
        list(held_out.usable.at(places).images()),
        [expected[i] for i in places],
        None if truth is None else [truth[i] for i in places],
    )


def schemes(
    network: Network,
    targets: Sequence[str],
    held_out: Judged,
    observed: Observed,
    progress: Progress,
    *,
    curve: bool,
) -> tuple[Scheme, ...]:
    """Of each kind of grid in use."""
    kinds: dict[str, list[str]] = {}
    for name in targets:
        kinds.setdefault(runtime(name).scheme, []).append(name)
    return tuple(
        study.scheme(
            network,
            names,
            held_out,
            observed,
            partial(progress, f"simulate for the report, {kind}"),
            draw_curve=curve,
        )
        for kind, names in kinds.items()
    )


def target(
    network: Network,
    measured: Row,
    checked: int8_file.Verified,
    package: Package,
    held_out: DataReport,
    options: Options,
    progress: Progress,
) -> Target:
    """Of one runtime's file; its speed is measured now, beside that of the float file."""
    name = measured.name
    progress(f"time {name}", 0, 0)
    rules = runtime(name)
    kind = rules.precision
    int8 = package.artifact(name, "int8")
    float_file = float_artifact(name, network.graph, half=kind == "fp16")
    float_package = replace(package, artifacts=(float_file,))
    image = next(held_out.usable.images())
    latency, float_latency = race(
        [(package, name, "int8"), (float_package, name, kind)], image, threads=options.threads
    )
    _, planned = network.at(name)
    noise = zip(network.model.output_names, checked.simulated, checked.measured, strict=True)
    return Target(
        name=name,
        scheme=rules.scheme,
        row=measured,
        simulated=checked.agreement,
        noise={output: (simulated, real) for output, simulated, real in noise},
        int8_layers=len(planned.layers),
        float_layers=len(structure.convolutions(network.graph)) - len(planned.layers),
        float_operations=study.float_operations(network.graph, planned),
        size=sum(map(len, int8.files.values())),
        float_size=sum(map(len, float_file.files.values())),
        latency=latency,
        float_latency=float_latency,
        threads=options.threads,
    )


def pairs(
    model: ModelSpec,
    held_out: DataReport,
    expected: Sequence[Detections],
    detections: Mapping[str, Sequence[Detections]],
) -> tuple[Pair, ...]:
    """The images on which some runtime agrees least with float, each once."""
    same = {
        (name, i): agreement([expected[i]], [each], classes=len(model.labels))
        for name, in_images in detections.items()
        for i, each in enumerate(in_images)
    }
    worst = {
        i: min(detections, key=lambda name: overlap(same[name, i])) for i in range(len(expected))
    }
    order = sorted(worst, key=lambda i: overlap(same[worst[i], i]))[:_WORST]
    chosen = [i for i in order if overlap(same[worst[i], i]) < 1]
    images = held_out.usable.at(chosen)
    return tuple(
        Pair(
            sample.path.name,
            image,
            expected[i],
            detections[worst[i]][i],
            worst[i],
            same[worst[i], i],
        )
        for i, sample, image in zip(chosen, images.samples, images.images(), strict=True)
    )


def facts(
    package: Package,
    spec: QuantSpec,
    observed: DataReport,
    held_out: DataReport,
    limits: str,
    warnings: Sequence[str],
    targets: tuple[Target, ...],
    schemes: tuple[Scheme, ...],
    seconds: Mapping[str, float],
    recipe_facts: Mapping[str, Any],
) -> Facts:
    """All of it, with the circumstances."""
    here = board.identify()
    machine = [here.model, here.cpu, f"{here.cores} cores", here.machine]
    return Facts(
        name=package.name,
        family=package.spec.family,
        input=str(package.spec.input),
        labels=package.spec.labels,
        created=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        machine=", ".join(filter(None, machine)),
        recipe=spec.recipe,
        seed=spec.seed,
        model_sha256=spec.model,
        images_sha256=spec.images,
        observed=len(observed.usable),
        held_out=len(held_out.usable),
        labeled=held_out.usable.labeled,
        limits=limits,
        warnings=tuple(warnings),
        seconds=dict(seconds),
        targets=targets,
        schemes=schemes,
        recipe_facts=_without_histograms(recipe_facts),
    )


def _without_histograms(recipe_facts: Mapping[str, Any]) -> dict[str, Any]:
    """They stand with the layers."""
    schemes = {
        name: {key: value for key, value in each.items() if key != "histograms"}
        for name, each in recipe_facts.get("schemes", {}).items()
    }
    return {**recipe_facts, "schemes": schemes} if schemes else dict(recipe_facts)


def summary(facts: Facts, spec: QuantSpec) -> dict[str, Any]:
    """What a package says of its INT8, in values that its manifest can hold."""
    return {
        "recipe": facts.recipe,
        "seed": facts.seed,
        "images": facts.observed,
        "held_out": facts.held_out,
        "gate": facts.limits,
        "model_sha256": facts.model_sha256,
        "images_sha256": facts.images_sha256,
        "spec_sha256": sha256(spec_file.dumps(spec).encode()).hexdigest(),
        "targets": {each.name: _short(each) for each in facts.targets},
    }


def _short(target: Target) -> dict[str, Any]:
    same, change = target.row.agreement, target.row.labels.get("AP")
    numbers = {
        "int8_layers": target.int8_layers,
        "float_layers": target.float_layers,
        "float_operations": round(target.float_operations, 4),
        "agreement_AP": round(same.ap, 4),
        "agreement_AP50": round(same.ap50, 4),
        "recall": round(same.recall, 4),
        "precision": round(same.precision, 4),
        "simulation_AP50": round(target.simulated.ap50, 4),
    }
    if change is None or not math.isfinite(change.before + change.after + change.low + change.high):
        return numbers
    return {
        **numbers,
        "AP_float": round(change.before, 4),
        "AP": round(change.after, 4),
        "AP_change_95": [round(change.low, 4), round(change.high, 4)],
    }
