"""`edge convert`: a model's files into one package."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import edge.package
from edge.cli import checkpoints, options
from edge.errors import ModelError
from edge.models import FAMILIES
from edge.recognise import Overrides
from edge.types import Size

HELP = "make a .edge package from a model's files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="the files of one model (of a pair, one will do), or a training checkpoint (.pt)",
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="NAME.edge", help="the package"
    )
    add_override_arguments(parser)
    parser.add_argument("--licence", metavar="SPDX", help="licence of the weights, for the record")
    parser.add_argument("--zip", action="store_true", help="one file instead of a folder")
    parser.add_argument("--force", action="store_true", help="replace a package that is there")


def add_override_arguments(parser: argparse.ArgumentParser) -> None:
    """`--family --imgsz --labels`: what is said instead of recognised."""
    parser.add_argument("--family", choices=tuple(FAMILIES), help="default: recognised")
    parser.add_argument(
        "--imgsz",
        type=options.parsed(Size.parse),
        metavar="N|HxW",
        help="input size; default: the usual one of the family",
    )
    parser.add_argument(
        "--labels",
        type=options.parsed(labels),
        metavar="A,B,…|FILE",
        help="class names: a list, or a text file with one a line",
    )


def overrides(args: argparse.Namespace) -> Overrides:
    """What the options of `add_override_arguments` say."""
    return Overrides(family=args.family, input=args.imgsz, labels=args.labels)


def labels(text: str) -> tuple[str, ...]:
    """Class names from a comma-separated list or a text file."""
    path = Path(text)
    if path.is_file():
        try:
            names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{text}: {error}") from error
        names = [name for name in names if name]
    else:
        names = [name.strip() for name in text.split(",")]
    if not names or not all(names):
        raise ValueError(f"class names, got {text!r}, which is neither a file nor a list")
    return tuple(names)


def run(args: argparse.Namespace) -> int:
    """Recognise the files, write the package, say what was concluded."""
    said = replace(overrides(args), name=args.output.stem, licence=args.licence)
    if args.output.suffix == ".onnx" and checkpoints.is_checkpoint(args.files):
        if args.output.exists() and not args.force:
            raise ModelError(f"{args.output}: already exists; --force replaces it")
        _, sentences = checkpoints.to_onnx(args.files, args.output, said)
        checkpoints.report(sentences, args.output)
        return 0
    opened = checkpoints.open_model(args.files, said)
    edge.package.write(opened.package, args.output, zipped=args.zip, force=args.force)
    checkpoints.report(opened.evidence, args.output)
    return 0
