"""`edge calibrate`: an INT8 package from a float model and images, or a refusal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edge.package
from calibration.calibrate.images import CalibrationSet, divide, open_images
from calibration.calibrate.kept import StageCache
from calibration.calibrate.progress import Progress
from calibration.calibrate.refusal import GateFailedError
from calibration.quant.options.options import Limits, Options, conflict
from calibration.quant.options.recipes import RECIPES
from edge.backends import BACKENDS
from edge.cli import UsageError, checkpoints, options
from edge.errors import BackendNotInstalledError, CalibrationError, ModelError, NotInstalledError
from edge.installed import RUNTIMES, versions
from edge.io.sinks.targets import part_of
from edge.package import Package
from edge.paths import exists
from edge.recognize import OpenedModel, Overrides
from edge.types import Size

if TYPE_CHECKING:
    from calibration.calibrate.flow import Outcome
    from calibration.quant.spec.spec import QuantSpec

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
    checkpoints.check_source([args.model, *([args.teacher] if args.teacher else [])])
    flow = _flow()
    out: Path = args.output
    if out.suffix != ".edge":
        raise UsageError(f"-o {out}: a package is written, NAME.edge")
    if exists(out, ModelError) and not args.force:
        raise ModelError(f"{out}: already exists; --force replaces it")
    for target in args.targets:
        if not versions(RUNTIMES[target]):
            raise BackendNotInstalledError(
                f"--targets {target} needs the package {RUNTIMES[target][0]}", target
            )
    _check_learning(args)
    opened = _open(args)
    chosen = _options(args, opened)
    calibration_set = _calibration_set(args, opened.package.spec.labels)
    if chosen.limits.drop is not None and not calibration_set.held_out.labeled:
        raise UsageError("--max-drop needs labels: --val names images that have some")
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = StageCache(out, flow.identity(opened, calibration_set, chosen))
    progress = Progress(sys.stderr)
    if kept.resumed:
        progress.say("going on where an earlier run of this command was ended")
    try:
        outcome: Outcome = flow.run(opened, calibration_set, chosen, progress, kept)
    except GateFailedError as error:
        progress.stop()
        kept.remove()
        for line in error.lines:
            progress.say(line)
        raise CalibrationError(f"{out} is not written: INT8 does not do what float does") from error
    except KeyboardInterrupt:
        progress.stop()
        progress.say("the same command goes on from here")
        raise
    except BaseException:
        progress.stop()
        raise
    files = write(outcome, out, force=args.force)
    kept.remove()
    _print(outcome, files, as_json=args.json)
    return 0


def write(outcome: Outcome, out: Path, *, force: bool) -> list[Path]:
    """Write the package, and beside it OUT.report.html, OUT.report.json and OUT.spec.json.

    All of them appear, or none: the others have their names only once the package has its own.

    Raises:
        ModelError: The package cannot be written.
        OSError: Another file cannot.
    """
    from calibration.quant.spec import spec_file
    from calibration.report.facts import plain
    from calibration.report.page import page

    contents = {
        out.with_suffix(".report.html"): page(outcome.facts, outcome.pairs),
        out.with_suffix(".report.json"): json.dumps(plain(outcome.facts), allow_nan=False) + "\n",
        out.with_suffix(".spec.json"): spec_file.dumps(outcome.spec),
    }
    parts = {part_of(file): file for file in contents}
    try:
        for part, file in parts.items():
            part.write_text(contents[file], encoding="utf-8")
        edge.package.write(outcome.package, out, force=force)
        for part, file in parts.items():
            part.replace(file)
    finally:
        for part in parts:
            with suppress(OSError):
                part.unlink()
    return [out, *contents]


def _flow() -> Any:
    try:
        return import_module("calibration.calibrate.flow")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("edge", "calibration"):
            raise
        raise NotInstalledError(f"calibration needs {error.name}", "calibrate") from error


def _open(args: argparse.Namespace) -> OpenedModel:
    """The model; of a package the input size and the license may be others."""
    overrides = replace(options.overrides(args), license=args.license)
    if checkpoints.is_checkpoint([args.model]) or not edge.package.is_package(args.model):
        return checkpoints.open_model([args.model], replace(overrides, name=args.output.stem))
    if overrides.family or overrides.labels:
        raise UsageError(f"{args.model} is a package, which knows its family and labels itself")
    opened = checkpoints.open_model([args.model], Overrides())
    package = opened.package if overrides.input is None else _sized(opened.package, overrides.input)
    license = overrides.license or package.license
    return replace(opened, package=replace(package, name=args.output.stem, license=license))


def _sized(package: Package, input_: Size) -> Package:
    try:
        return replace(package, spec=package.spec.resized(input_))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _spec(path: Path | None) -> QuantSpec | None:
    if path is None:
        return None
    from calibration.quant.spec import spec_file

    return spec_file.read(path)


def _check_learning(args: argparse.Namespace) -> None:
    """What is asked for by name is not passed over for want of something."""
    why = conflict(
        args.recipe, qat=args.qat, taught=args.teacher is not None, decided=args.spec is not None
    )
    if why:
        raise UsageError(f"--{why}")
    if (args.qat or args.teacher) and find_spec("torch") is None:
        raise NotInstalledError("--qat and --teacher need torch", "train")


def _options(args: argparse.Namespace, opened: OpenedModel) -> Options:
    return Options(
        targets=args.targets,
        recipe=args.recipe,
        max_images=args.max_images,
        float_budget=args.float_budget,
        qat=args.qat,
        teacher=_teacher(args, opened),
        spec=_spec(args.spec),
        seed=args.seed,
        limits=_limits(args),
        threads=args.threads,
    )


def _teacher(args: argparse.Namespace, student: OpenedModel) -> OpenedModel | None:
    """The model to learn from, at the size of the one that learns."""
    if args.teacher is None:
        return None
    spec = student.package.spec
    if edge.package.is_package(args.teacher):
        opened = checkpoints.open_model([args.teacher], Overrides())
        return replace(opened, package=_sized(opened.package, spec.input))
    opened = checkpoints.open_model([args.teacher], Overrides(family=spec.family, input=spec.input))
    package = opened.package
    if not package.spec.labels:
        package = replace(package, spec=replace(package.spec, labels=spec.labels))
    return replace(opened, package=package)


def _calibration_set(args: argparse.Namespace, labels: Sequence[str]) -> CalibrationSet:
    held_out = None if args.val is None else open_images(args.val, labels, strict=True)
    data = open_images(args.data, labels, strict=False)
    calibration_set = divide(data, held_out, args.max_images, args.seed)
    for line in (*data.notes, *(() if held_out is None else held_out.notes)):
        print(line, file=sys.stderr)
    if calibration_set.overlap:
        print(
            f"note: {calibration_set.overlap} images of --data are left out: --val holds them out",
            file=sys.stderr,
        )
    return calibration_set


def _limits(args: argparse.Namespace) -> Limits:
    """Agreement, unless labels decide; both, where both are asked for."""
    if args.max_drop is None:
        return args.min_agreement or Limits()
    asked = args.min_agreement or Limits(None, None)
    return replace(asked, drop=args.max_drop / 100)


def _print(outcome: Outcome, files: Sequence[Path], *, as_json: bool) -> None:
    if as_json:
        summary = dict(outcome.package.quantization)
        print(json.dumps({**summary, "files": [str(file) for file in files]}))
        return
    for target in outcome.facts.targets:
        agreement = target.row.agreement
        print(
            f"{target.name} int8: agreement {100 * agreement.ap:.1f}/{100 * agreement.ap50:.1f}, "
            f"recall {100 * agreement.recall:.1f}, precision {100 * agreement.precision:.1f}; "
            f"{target.int8_layers} of {target.int8_layers + target.float_layers} layers; "
            f"{target.size / 1e6:.2f} MB; {target.faster:.2f} times as fast as float here",
            file=sys.stderr,
        )
    for file in files:
        print(f"wrote {file}", file=sys.stderr)


def _targets(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in BACKENDS:
            raise ValueError(f"runtimes out of {', '.join(BACKENDS)}, got {name!r}")
    return names
