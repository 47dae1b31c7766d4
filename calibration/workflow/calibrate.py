"""A calibration from Python: from a model and images to the files, as the command goes too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import edge.package
from calibration.quant.options.options import Options, conflict
from calibration.quant.spec import spec_file
from calibration.quant.spec.spec import QuantSpec
from calibration.report.facts import Facts, plain
from calibration.report.page import page
from calibration.runtimes import USUAL
from calibration.workflow import flow
from calibration.workflow.flow import Outcome
from calibration.workflow.images import CalibrationSet, divide, open_images
from calibration.workflow.kept import StageCache
from calibration.workflow.overrides import overrides
from calibration.workflow.progress import Progress
from calibration.workflow.refusal import GateFailedError
from edge.cli import UsageError, checkpoints
from edge.errors import BackendNotInstalledError, ModelError, NotInstalledError
from edge.evaluate import Agreement
from edge.installed import RUNTIMES, versions
from edge.io.sinks.targets import part_of
from edge.overrides import Overrides
from edge.package import Package
from edge.paths import exists
from edge.recognize import OpenedModel
from edge.types import Size


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a calibration gives.

    Attributes:
        package: With an INT8 artifact for each target.
        spec: What was decided; `edge calibrate --spec` takes it from its file.
        report: All that was measured.
        files: What was written: the package, its report as HTML and JSON, and its spec.
    """

    package: Package
    spec: QuantSpec
    report: Facts
    files: tuple[Path, ...]

    @property
    def agreement(self) -> Mapping[str, Agreement]:
        """By target: of the INT8 detections in the real runtime with the float ones."""
        return {target.name: target.row.agreement for target in self.report.targets}


def calibrate(
    model: str | Path,
    images: str | Path,
    *,
    targets: Sequence[str] = (USUAL,),
    output: str | Path | None = None,
    val: str | Path | None = None,
    family: str | None = None,
    labels: Sequence[str] | None = None,
    imgsz: int | str | Size | None = None,
    license: str | None = None,
    reading: Overrides | None = None,
    teacher: str | Path | None = None,
    spec: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Calibration:
    """Make INT8 packages from a float model and images without labels, as `edge calibrate` does.

    Args:
        model: ONNX, ncnn .param, a .edge package or a checkpoint (.pt); a float one.
        images: As the camera will see them: a folder, a glob, a dataset or its data.yaml, or
            `test:conveyor?seed=N&frames=N`.
        targets: The runtimes to write files for.
        output: NAME.edge, to write the package, its report and its spec; None writes nothing. With
            it, a calibration that was interrupted goes on from its last finished stage.
        val: Held-out images, with labels or without; None holds out one in five of `images`.
        family: Key into `edge.models.FAMILIES`; None recognizes it.
        labels: Class names; None takes the model's own.
        imgsz: Input size: a side, "HxW" or a `Size`; None takes the model's own.
        license: Of the weights, SPDX; None takes the model's own.
        reading: What else a model file does not tell, such as preprocessing; packages know it.
        teacher: A better float model to learn from.
        spec: The file of an earlier calibration, to write what it says instead of deciding.
        force: Replace what is at `output`.
        progress: Is told what is done; None tells nobody.
        options: More fields of `Options`: recipe, max_images, float_budget, limits and others.

    Raises:
        GateFailedError: INT8 does not do what float does; nothing is written. `lines` say what
            costs most and what to try.
        CalibrationError: The images, the spec or an option do not do.
        ModelError: A file cannot be read, does not compute what it should, or is there already.
        BackendError: A runtime is missing or failed.
        UsageError: Arguments do not fit each other or the model.

    Example:
        Roughly and quickly; usual are 64 to 128 images and the default recipe.

        >>> import calibration
        >>> made = calibration.calibrate(
        ...     "cells.edge",
        ...     "images",
        ...     output="int8.edge",
        ...     imgsz=160,
        ...     recipe="min-max",
        ...     limits=calibration.Limits(0.7, 0.9),
        ... )
        >>> [path.name for path in made.files]
        ['int8.edge', 'int8.report.html', 'int8.report.json', 'int8.spec.json']
        >>> made.agreement["ncnn"].ap50 > 0.9
        True
    """
    checkpoints.check_source([Path(each) for each in (model, teacher) if each is not None])
    out = None if output is None else Path(output)
    if out is not None and out.suffix != ".edge":
        raise UsageError(f"-o {out}: a package is written, NAME.edge")
    if out is not None and exists(out, ModelError) and not force:
        raise ModelError(f"{out}: already exists; --force replaces it")
    asked = Options(targets=tuple(targets), **options)
    for target in asked.targets:
        if not versions(RUNTIMES[target]):
            raise BackendNotInstalledError(
                f"--targets {target} needs the package {RUNTIMES[target][0]}", target
            )
    _check_learning(asked, taught=teacher is not None, decided=spec is not None)
    opened = _open(
        Path(model),
        overrides(family, labels, imgsz, license, reading),
        None if out is None else out.stem,
    )
    chosen = replace(
        asked,
        teacher=None if teacher is None else _teacher(Path(teacher), opened),
        spec=None if spec is None else spec_file.read(Path(spec)),
    )
    say = progress or Progress(StringIO(), bar=False)
    calibration_set = _divided(str(images), val, opened, chosen, say)
    if chosen.limits.drop is not None and not calibration_set.held_out.labeled:
        raise UsageError("--max-drop needs labels: --val names images that have some")
    if out is None:
        with TemporaryDirectory(prefix="edge-calibrate-") as folder:
            kept = StageCache(Path(folder, "model.edge"), [])
            outcome = flow.run(opened, calibration_set, chosen, say, kept)
        return Calibration(outcome.package, outcome.spec, outcome.facts, ())
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = StageCache(out, flow.identity(opened, calibration_set, chosen))
    if kept.resumed:
        say.say("going on where an earlier run of this command was ended")
    try:
        outcome = flow.run(opened, calibration_set, chosen, say, kept)
    except GateFailedError:
        kept.remove()
        raise
    files = write(outcome, out, force=force)
    kept.remove()
    return Calibration(outcome.package, outcome.spec, outcome.facts, tuple(files))


def write(outcome: Outcome, out: Path, *, force: bool) -> list[Path]:
    """Write the package, and beside it OUT.report.html, OUT.report.json and OUT.spec.json.

    All of them appear, or none: the others have their names only once the package has its own.

    Raises:
        ModelError: The package cannot be written.
        OSError: Another file cannot.
    """
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


def _open(model: Path, given: Overrides, name: str | None) -> OpenedModel:
    """The model; of a package the input size and the license may be others."""
    if checkpoints.is_checkpoint([model]) or not edge.package.is_package(model):
        named = given if name is None else replace(given, name=name)
        return checkpoints.open_model([model], named)
    if given.reads:
        raise UsageError(
            f"{model} is a package, which knows its family and labels itself, and what becomes of "
            "an image"
        )
    opened = checkpoints.open_model([model], Overrides())
    package = opened.package if given.input is None else _sized(opened.package, given.input)
    license = given.license or package.license
    return replace(opened, package=replace(package, name=name or package.name, license=license))


def _sized(package: Package, input_: Size) -> Package:
    try:
        return replace(package, spec=package.spec.resized(input_))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check_learning(options: Options, *, taught: bool, decided: bool) -> None:
    """What is asked for by name is not passed over for want of something."""
    why = conflict(options.recipe, qat=options.qat, taught=taught, decided=decided)
    if why:
        raise UsageError(f"--{why}")
    if (options.qat or taught) and find_spec("torch") is None:
        raise NotInstalledError("--qat and --teacher need torch", "train")


def _teacher(path: Path, student: OpenedModel) -> OpenedModel:
    """The model to learn from, at the size of the one that learns."""
    spec = student.package.spec
    if edge.package.is_package(path):
        opened = checkpoints.open_model([path], Overrides())
        return replace(opened, package=_sized(opened.package, spec.input))
    opened = checkpoints.open_model([path], Overrides(family=spec.family, input=spec.input))
    package = opened.package
    if not package.spec.labels:
        package = replace(package, spec=replace(package.spec, labels=spec.labels))
    return replace(opened, package=package)


def _divided(
    address: str, val: str | Path | None, opened: OpenedModel, options: Options, progress: Progress
) -> CalibrationSet:
    labels = opened.package.spec.labels
    held_out = None if val is None else open_images(str(val), labels, strict=True)
    data = open_images(address, labels, strict=False)
    calibration_set = divide(data, held_out, options.max_images, options.seed)
    for line in (*data.notes, *(() if held_out is None else held_out.notes)):
        progress.say(line)
    if calibration_set.overlap:
        progress.say(
            f"note: {calibration_set.overlap} images of --data are left out: --val holds them out"
        )
    return calibration_set
