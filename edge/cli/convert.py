"""`edge convert`: a model's files into one package."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import edge.package
from edge.backends import BACKENDS
from edge.cli import UsageError, checkpoints, options
from edge.errors import ModelError, NotInstalledError, SourceError
from edge.io.sources.images import read_image
from edge.overrides import Overrides
from edge.paths import exists
from edge.recognize import OpenedModel
from edge.types import UInt8Array

HELP = "make a .edge package from a model's files"

# Names of files; a package of such a name would be taken for one.
_FILES = {f".{suffix}" for suffixes in BACKENDS.values() for suffix in suffixes} | {
    *checkpoints.SUFFIXES
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="the files of one model (of a pair, one will do), a training checkpoint (.pt), or a "
        "package",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="NAME.edge",
        help="the package; of a checkpoint also NAME.onnx",
    )
    options.add_override_arguments(parser)
    parser.add_argument(
        "--targets",
        type=options.parsed(_targets),
        metavar="A,B,…",
        help=f"write for these runtimes ({', '.join(BACKENDS)}), each file checked against ONNX "
        "Runtime; default: the files as they are",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16"),
        help="of the weights written with --targets; default: what is usual for each runtime",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="image to check them on, best with what the model finds; default: a rendered one",
    )
    parser.add_argument("--license", metavar="SPDX", help="license of the weights, for the record")
    parser.add_argument("--zip", action="store_true", help="one file instead of a folder")
    parser.add_argument("--force", action="store_true", help="replace a package that is there")


def run(args: argparse.Namespace) -> int:
    """Recognize the files, write the package, say what was concluded."""
    sentences = convert(
        args.files,
        args.output,
        replace(options.overrides(args), license=args.license),
        targets=args.targets or (),
        precision=args.precision,
        data=args.data,
        zipped=args.zip,
        force=args.force,
    )
    checkpoints.report(sentences, args.output)
    return 0


def convert(
    files: Sequence[Path],
    output: Path,
    overrides: Overrides,
    *,
    targets: Sequence[str] = (),
    precision: str | None = None,
    data: Path | None = None,
    zipped: bool = False,
    force: bool = False,
) -> tuple[str, ...]:
    """Write a model's files as one package, or a checkpoint as ONNX.

    Args:
        files: Of one model.
        output: NAME.edge; of a checkpoint also NAME.onnx.
        overrides: What is said instead of recognized.
        targets: Runtimes to write files for; none takes the files as they are.
        precision: Of the weights written for these.
        data: An image to check them on.
        zipped: One file instead of a folder.
        force: Replace what is there.

    Returns:
        Sentences: what was concluded.

    Raises:
        UsageError: Arguments do not fit each other or the model.
        EdgeError: The model cannot be read or written.
    """
    overrides = replace(overrides, name=output.stem)
    if (precision or data) and not targets:
        raise UsageError("--precision and --data go with --targets")
    if output.suffix == ".onnx" and checkpoints.is_checkpoint(files):
        if targets or zipped or overrides.license:
            raise UsageError("--targets, --zip and --license go with a package, NAME.edge")
        if replace(overrides, family=None, labels=None).reads:
            raise UsageError(
                "--anchors, --color, --mean, --std, --letterbox and --pad go with a package, "
                "NAME.edge: an ONNX file does not hold them"
            )
        if exists(output, ModelError) and not force:
            raise ModelError(f"{output}: already exists; --force replaces it")
        return checkpoints.to_onnx(files, output, overrides)[1]
    if output.suffix.lower() in _FILES:
        raise UsageError(
            f"-o {output}: a package is written, NAME.edge, and holds the runtimes' files; "
            f"NAME.onnx is written of checkpoints ({', '.join(checkpoints.SUFFIXES)})"
        )
    if targets:
        checkpoints.check_source(files)
    elif (
        overrides.input
        and not checkpoints.is_checkpoint(files)  # which are zips too
        and edge.package.is_package(files[0])
    ):
        raise UsageError(
            f"--imgsz {overrides.input} of a package goes with --targets: files of that size are "
            "written"
        )
    image = _image(data) if data else None
    opened = checkpoints.open_model(files, overrides)
    if targets:
        opened = _for_targets(opened, tuple(targets), precision, image)
    edge.package.write(opened.package, output, zipped=zipped, force=force)
    return opened.evidence


def _targets(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in BACKENDS:
            raise ValueError(f"runtimes out of {', '.join(BACKENDS)}, got {name!r}")
    return names


def _image(path: Path) -> UInt8Array:
    try:
        return read_image(str(path))
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error


def _for_targets(
    opened: OpenedModel,
    targets: tuple[str, ...],
    precision: str | None,
    image: UInt8Array | None,
) -> OpenedModel:
    try:
        calibrator = import_module("calibration.canonical")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("edge", "calibration"):
            raise
        raise NotInstalledError(f"--targets needs {error.name}", "calibrate") from error
    written: OpenedModel = calibrator.for_targets(opened, targets, precision=precision, image=image)
    return written
