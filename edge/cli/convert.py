"""`edge convert`: a model's files into one package."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import edge.package
from edge.cli import checkpoints, options
from edge.errors import ModelError
from edge.paths import exists

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
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="NAME.edge",
        help="the package; of a checkpoint also NAME.onnx",
    )
    options.add_override_arguments(parser)
    parser.add_argument("--licence", metavar="SPDX", help="licence of the weights, for the record")
    parser.add_argument("--zip", action="store_true", help="one file instead of a folder")
    parser.add_argument("--force", action="store_true", help="replace a package that is there")


def run(args: argparse.Namespace) -> int:
    """Recognise the files, write the package, say what was concluded."""
    said = replace(options.overrides(args), name=args.output.stem, licence=args.licence)
    if args.output.suffix == ".onnx" and checkpoints.is_checkpoint(args.files):
        if exists(args.output, ModelError) and not args.force:
            raise ModelError(f"{args.output}: already exists; --force replaces it")
        _, sentences = checkpoints.to_onnx(args.files, args.output, said)
        checkpoints.report(sentences, args.output)
        return 0
    opened = checkpoints.open_model(args.files, said)
    edge.package.write(opened.package, args.output, zipped=args.zip, force=args.force)
    checkpoints.report(opened.evidence, args.output)
    return 0
