"""Whether an INT8 model may be written: only where it finds what the float one finds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from calibration.quant.options.options import Limits, Options
from calibration.quant.plan import structure
from calibration.report.facts import Row
from calibration.runtimes import runtime
from calibration.workflow import study
from calibration.workflow.decide import Decided
from calibration.workflow.images import DataReport
from calibration.workflow.progress import Progress
from calibration.workflow.refusal import GateFailedError
from calibration.workflow.study import Network
from edge.evaluate import Agreement
from edge.evaluate.bootstrap import Difference

_MIN_DETECTIONS = 20  # detections of the float model: fewer decide nothing
_SLACK = 0.10  # how far recall and precision may be below AP50, which forgives low scores


def check(
    decided: Decided,
    rows: Mapping[str, Row],
    looked: DataReport,
    options: Options,
    progress: Progress,
) -> None:
    """Let pass, or refuse with reasons and advice.

    Args:
        decided: What was written.
        rows: What was measured of it, by target.
        looked: The images that were observed.
        options: Have the limits.
        progress: Is told what is done.

    Raises:
        GateFailedError: A target is beyond the limits.
    """
    refused = {
        target: reasons
        for target, each in rows.items()
        if (reasons := violations(each.agreement, options.limits, each.labels.get("AP")))
    }
    if not refused:
        return
    network = decided.network
    lines = [f"{target} int8 is refused: {'; '.join(why)}" for target, why in refused.items()]
    target = next(iter(refused))
    if rows[target].agreement.expected:
        cost = decided.observed.cost.get(runtime(target).scheme)
        if not cost:
            subset = study.first_inputs(looked.usable.images(), network.model)
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


def violations(
    agreement: Agreement, limits: Limits, difference: Difference | None = None
) -> tuple[str, ...]:
    """Why a model is refused, in sentences; none where it passes.

    AP weighs what is found by score and forgives what slipped below the threshold. So recall and
    precision, which take the same threshold on both sides, have a limit too, and a model on which
    the float one finds next to nothing is refused whatever the numbers are.

    Args:
        agreement: INT8 and float.
        limits: What is wanted.
        difference: Of AP by labels, float first; needed where `limits` has a drop.
    """
    reasons = []
    if limits.ap is not None and limits.ap50 is not None:
        if agreement.expected < _MIN_DETECTIONS:
            reasons.append(
                f"the float model finds {agreement.expected} objects in all the images that judge; "
                f"agreement means something from {_MIN_DETECTIONS} on"
            )
        else:
            floor = limits.ap50 - _SLACK
            for name, value, limit in (
                ("AP", agreement.ap, limits.ap),
                ("AP50", agreement.ap50, limits.ap50),
                ("recall", agreement.recall, floor),
                ("precision", agreement.precision, floor),
            ):
                if not value >= limit:
                    shown = f"{100 * value:.1f}" if value >= 0 else "none"
                    reasons.append(f"{name} against float is {shown}, wanted {100 * limit:.1f}")
    if limits.drop is not None:
        reasons += _drop(limits.drop, difference)
    return tuple(reasons)


def _drop(limit: float, difference: Difference | None) -> list[str]:
    if difference is None or math.isnan(difference.before) or difference.before <= 0:
        return ["there are no labels, or the float model finds nothing of them"]
    lost = difference.before - difference.after
    if lost <= limit:
        return []
    low, high = 100 * difference.low, 100 * difference.high
    return [
        f"AP falls from {100 * difference.before:.1f} to {100 * difference.after:.1f} (95 % "
        f"interval of the change {low:+.1f} to {high:+.1f}), at most {100 * limit:g} may be lost"
    ]
