"""`edge calibrate`: an INT8 package from a float model and images, or a refusal."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration.quant.options.options import Limits, Options
from calibration.quant.options.recipes import RECIPES
from calibration.workflow.progress import Progress
from calibration.workflow.refusal import GateFailedError
from edge.backends import BACKENDS
from edge.cli import options
from edge.errors import CalibrationError, NotInstalledError

if TYPE_CHECKING:
    from calibration.workflow.calibrate import Calibration

HELP = "make INT8 packages from a float model and images without labels"

_USUAL = Options()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="the float model: ONNX, ncnn .param, a .edge package or a checkpoint (.pt)",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="DIR",
        help="images as the camera will see them, labels not needed: a folder, a glob, a "
        "dataset or its data.yaml (the split train, where there is one) or "
        "test:conveyor?seed=N&frames=N",
    )
    parser.add_argument(
        "--val",
        metavar="DIR",
        help="images to judge by, with labels or without; default: one in five of --data",
    )
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT.edge")
    parser.add_argument(
        "--targets",
        type=options.parsed(_targets),
        default=_USUAL.targets,
        metavar="A,B,…",
        help=f"runtimes out of {', '.join(BACKENDS)} (default {','.join(_USUAL.targets)})",
    )
    options.add_override_arguments(parser)
    _add_recipe(parser)
    _add_gate(parser)
    parser.add_argument(
        "--threads",
        type=options.whole(0),
        default=_USUAL.threads,
        metavar="N",
        help="0 (default): one per core",
    )
    parser.add_argument("--license", metavar="SPDX", help="license of the weights, for the record")
    parser.add_argument("--force", action="store_true", help="replace a package that is there")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recipe")
    group.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default=_USUAL.recipe,
        help="how much is tried; min-max and entropy are what other tools do, to compare with",
    )
    group.add_argument(
        "--max-images",
        type=options.whole(1),
        default=_USUAL.max_images,
        metavar="N",
        help=f"images to choose ranges from, at most (default {_USUAL.max_images})",
    )
    group.add_argument(
        "--float-budget",
        type=options.number(0, 1),
        default=_USUAL.float_budget,
        metavar="S",
        help=f"share of the arithmetic that may stay float (default {_USUAL.float_budget:.2f})",
    )
    group.add_argument(
        "--qat",
        action="store_true",
        help="train all weights for INT8, from the float network and without labels: long, and "
        "better with hundreds of images (--max-images)",
    )
    group.add_argument(
        "--teacher",
        type=Path,
        metavar="MODEL",
        help="learn from this better float model in place of the model itself; it has the same "
        "input, classes and kind of head",
    )
    group.add_argument("--seed", type=options.whole(0), default=_USUAL.seed, metavar="N")
    group.add_argument(
        "--spec",
        type=Path,
        metavar="FILE",
        help="write what this file says, as OUT.spec.json of an earlier run, instead of deciding",
    )


def _add_gate(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("gate")
    usual = _USUAL.limits
    group.add_argument(
        "--min-agreement",
        type=options.parsed(Limits.parse),
        metavar="AP/AP50",
        help="of the INT8 detections with the float ones, in percent, in the real runtime "
        f"(default {100 * (usual.ap or 0):g}/{100 * (usual.ap50 or 0):g}; recall and precision at "
        "score .3 may be 10 below AP50)",
    )
    group.add_argument(
        "--max-drop",
        type=options.number(0, 100),
        metavar="P",
        help="judge by labels instead: points of AP (of 100) that may be lost",
    )


def main() -> int:
    """`edge-calibrate`: the same by another name."""
    from edge.cli import main as run_edge

    return run_edge(["calibrate", *sys.argv[1:]])


def run(args: argparse.Namespace) -> int:
    """Calibrate, and write a package, its spec and its report; or say why not. Returns 0."""
    calibrate = _calibrate()
    progress = Progress(sys.stderr)
    try:
        made: Calibration = calibrate(
            args.model,
            args.data,
            targets=args.targets,
            output=args.output,
            val=args.val,
            reading=options.overrides(args),
            license=args.license,
            teacher=args.teacher,
            spec=args.spec,
            force=args.force,
            progress=progress,
            recipe=args.recipe,
            max_images=args.max_images,
            float_budget=args.float_budget,
            qat=args.qat,
            seed=args.seed,
            limits=_limits(args),
            threads=args.threads,
        )
    except GateFailedError as error:
        progress.stop()
        for line in error.lines:
            progress.say(line)
        why = "INT8 does not do what float does"
        raise CalibrationError(f"{args.output} is not written: {why}") from error
    except KeyboardInterrupt:
        progress.stop()
        progress.say("the same command goes on from here")
        raise
    except BaseException:
        progress.stop()
        raise
    _print(made, as_json=args.json)
    return 0


def _calibrate() -> Any:
    try:
        return import_module("calibration.workflow.calibrate").calibrate
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("edge", "calibration"):
            raise
        raise NotInstalledError(f"calibration needs {error.name}", "calibrate") from error


def _limits(args: argparse.Namespace) -> Limits:
    """Agreement, unless labels decide; both, where both are asked for."""
    if args.max_drop is None:
        return args.min_agreement or Limits()
    asked = args.min_agreement or Limits(None, None)
    return replace(asked, drop=args.max_drop / 100)


def _print(made: Calibration, *, as_json: bool) -> None:
    if as_json:
        summary = dict(made.package.quantization)
        print(json.dumps({**summary, "files": [str(file) for file in made.files]}))
        return
    for target in made.report.targets:
        agreement = target.row.agreement
        print(
            f"{target.name} int8: agreement {100 * agreement.ap:.1f}/{100 * agreement.ap50:.1f}, "
            f"recall {100 * agreement.recall:.1f}, precision {100 * agreement.precision:.1f}; "
            f"{target.int8_layers} of {target.int8_layers + target.float_layers} layers; "
            f"{target.size / 1e6:.2f} MB; {target.faster:.2f} times as fast as float here",
            file=sys.stderr,
        )
    for file in made.files:
        print(f"wrote {file}", file=sys.stderr)


def _targets(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in BACKENDS:
            raise ValueError(f"runtimes out of {', '.join(BACKENDS)}, got {name!r}")
    return names
