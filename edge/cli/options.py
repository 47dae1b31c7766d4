"""Options that several commands share, declared and read in one way."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, get_args

from edge.backends import BACKENDS
from edge.backends.base import Precision
from edge.cli import UsageError
from edge.detector import Detector
from edge.types import Size

T = TypeVar("T")


def add_model_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """`--model --backend --precision --threads --imgsz`; `required`: whether the first is."""
    parser.add_argument(
        "--model",
        required=required,
        type=Path,
        metavar="M",
        help="a .edge package, or a model file",
    )
    parser.add_argument("--backend", choices=tuple(BACKENDS), help="default: the package's first")
    parser.add_argument(
        "--precision", choices=get_args(Precision), help="default: the best that model and CPU have"
    )
    parser.add_argument(
        "--threads", type=whole(0), default=0, metavar="N", help="0 (default): one per core"
    )
    parser.add_argument(
        "--imgsz", type=parsed(Size.parse), metavar="N|HxW", help="default: the model's own"
    )


def add_detection_arguments(
    parser: argparse.ArgumentParser, *, conf: float, iou: float, max_det: int = 300
) -> None:
    """`--conf --iou --max-det`."""
    fraction = number(0, 1)
    parser.add_argument(
        "--conf",
        type=fraction,
        default=conf,
        metavar="S",
        help=f"only scores above this (default {conf})",
    )
    parser.add_argument(
        "--iou",
        type=fraction,
        default=iou,
        metavar="U",
        help=f"overlap above which the weaker of two boxes of a class is dropped (default {iou})",
    )
    parser.add_argument(
        "--max-det",
        type=whole(1),
        default=max_det,
        metavar="N",
        help=f"boxes per image at most (default {max_det})",
    )


def load_detector(
    args: argparse.Namespace, *, classes: Sequence[str] = (), multi_label: bool = False
) -> Detector:
    """The detector that the options describe.

    Args:
        args: Of a parser with both groups of options above.
        classes: Names or ids to keep; empty for all.
        multi_label: See `Detector`.

    Raises:
        UsageError: An option does not fit the model.
    """
    try:
        return Detector.load(
            args.model,
            backend=args.backend,
            precision=args.precision,
            threads=args.threads,
            input=args.imgsz,
            score_threshold=args.conf,
            iou_threshold=args.iou,
            max_detections=args.max_det,
            classes=classes or None,
            multi_label=multi_label,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def report_backend(detector: Detector, args: argparse.Namespace) -> None:
    """Say on standard error what runs the model, if asked to or if it is not what was asked."""
    backend = detector.backend
    if args.verbose:
        print(
            f"{detector.spec.family} at {detector.spec.input}, {backend.precision}, "
            f"{backend.threads} threads",
            file=sys.stderr,
        )
    if args.precision not in (None, backend.precision):
        print(
            f"edge: this CPU or model has no {args.precision} arithmetic; "
            f"running {backend.precision}",
            file=sys.stderr,
        )


def whole(low: int) -> Callable[[str], int]:
    """An argparse type: a whole number of at least `low`."""

    def parse(text: str) -> int:
        value = int(text)
        if value < low:
            raise ValueError(f"a whole number from {low}, got {text}")
        return value

    return parsed(parse)


def number(low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a number from `low` to `high`."""

    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}, got {text}")
        return value

    return parsed(parse)


def parsed(parse: Callable[[str], T]) -> Callable[[str], T]:
    """An argparse type from a function that raises ValueError with a message worth showing."""

    def convert(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
