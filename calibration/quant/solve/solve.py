"""From a float network and images to a spec. Nothing else is needed than the images: no labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import process_time
from types import MappingProxyType
from typing import Any

from calibration.graph import Graph
from calibration.quant.observe.histograms import Histogram, observe
from calibration.quant.observe.inputs import Inputs
from calibration.quant.options.options import Options
from calibration.quant.options.recipes import Recipe
from calibration.quant.plan import structure
from calibration.quant.plan.equalize import equalized
from calibration.quant.plan.prepare import prepare
from calibration.quant.search import equalization
from calibration.quant.search.build_context import build, everything, ranged
from calibration.quant.search.equalization import Factors
from calibration.quant.solve.solution import Report
from calibration.quant.solve.stages import solve
from calibration.quant.solve.summary import summary
from calibration.quant.spec import fingerprint, spec_file
from calibration.quant.spec.spec import QuantSpec, Scheme
from calibration.runtimes import runtime
from edge.errors import CalibrationError
from edge.models.base import ModelSpec
from edge.types import UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A calibration.

    Attributes:
        graph: The network that the spec speaks of, prepared: `equalize.at` has it as each runtime
            computes it, ready for `planning.plan` and the emitters.
        spec: What was decided.
        facts: How it came about, as JSON has it; see `summary`.
    """

    graph: Graph
    spec: QuantSpec
    facts: Mapping[str, Any]


def calibrate(
    graph: Graph,
    model: ModelSpec,
    images: Iterable[UInt8Array],
    options: Options,
    *,
    teacher: Graph | None = None,
    report: Report | None = None,
) -> Calibrated:
    """Seek the quantization of a network.

    Args:
        graph: Canonical and cut at its raw heads, see `calibration.canonical.canonical`.
        model: Says what its outputs are.
        images: (H, W, 3) uint8 BGR or (H, W) gray, such as the detector will see.
        options: See there; the schemes of all its targets are sought.
        teacher: The network of `options.teacher`, canonical: learned from in place of the network
            itself; see `check_teacher`.
        report: Is told of progress.

    Raises:
        CalibrationError: No images, an unknown layer, or heads that are not understood.
    """
    start = process_time()
    recipe = options.plan
    prepared = prepare(graph)
    _check_names(prepared, options.keep_float)
    if teacher is not None:
        check_teacher(prepared, teacher)
    schemes = sorted({runtime(target).scheme for target in options.targets})
    inputs = Inputs.of(images, model)
    progress = report or _silent
    solved: dict[str, Scheme] = {}
    facts: dict[str, Any] = {}
    histograms: dict[str, Mapping[str, Histogram]] = {}
    for name in schemes:
        say = _named(progress, name, schemes)
        factors, losses = _equalization(prepared, model, inputs, recipe, name, say)
        network = equalized(prepared, factors)
        first = everything(network, inputs, name)
        histograms[name] = observe(network, inputs, ranged(first), partial(say, "observe"))
        context = build(network, model, inputs, histograms[name], first, recipe.images)
        spec, facts[name] = solve(context, first, options, teacher, say)
        facts[name]["equalization"] = losses
        solved[name] = replace(spec.schemes[name], equalization=MappingProxyType(factors))
    spec = QuantSpec(
        MappingProxyType(solved),
        model=fingerprint.of_graph(prepared),
        images=inputs.sha256,
        count=len(inputs),
        recipe=options.recipe + (" with qat" if options.qat else ""),
        seed=options.seed,
    )
    spec = spec_file.loads(spec_file.dumps(spec))  # what is emitted is what the file says
    return Calibrated(prepared, spec, summary(spec, histograms, facts, process_time() - start))


def check_teacher(graph: Graph, teacher: Graph) -> None:
    """See that one network can learn from another.

    Raises:
        CalibrationError: They read or say things of different shapes; names the first.
    """
    names = zip((*graph.inputs, *graph.outputs), (*teacher.inputs, *teacher.outputs), strict=False)
    for ours, theirs in names:
        other, own = teacher.shapes[theirs], graph.shapes[ours]
        if other != own:
            raise CalibrationError(
                f"the teacher's {theirs} has the shape {other}, the network's {ours} {own}: "
                "a teacher has the same input, classes and kind of head"
            )
    if len(graph.outputs) != len(teacher.outputs):
        raise CalibrationError(
            f"the teacher has {len(teacher.outputs)} outputs, the network {len(graph.outputs)}"
        )


def _equalization(
    graph: Graph, model: ModelSpec, inputs: Inputs, recipe: Recipe, scheme: str, say: Report
) -> tuple[Factors, dict[str, float]]:
    if not recipe.equalize:
        return {}, {}
    say("equalize", 0, 0)
    return equalization.chosen(graph, model, inputs, inputs.spread(recipe.images), scheme)


def _named(progress: Report, scheme: str, schemes: Sequence[str]) -> Report:
    """Says which scheme a stage is for, where there are several."""
    if len(schemes) == 1:
        return progress
    return lambda stage, done, total: progress(f"{stage}, {scheme}", done, total)


def _check_names(graph: Graph, names: Sequence[str]) -> None:
    known = {node.name for node in structure.convolutions(graph)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise CalibrationError(
            f"{unknown[0]!r} should stay float, but is no convolution of this model; "
            f"it has {', '.join(sorted(known)[:8])} and others"
        )


def _silent(stage: str, done: int, total: int) -> None:
    del stage, done, total
