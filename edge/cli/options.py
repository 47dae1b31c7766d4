"""Options that several commands share, declared and read in one way."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, get_args

from edge import board, choices
from edge.backends import BACKENDS, DEVICES, host
from edge.backends.base import MOST_THREADS, Device, Precision
from edge.choices import Choice
from edge.cli import UsageError
from edge.detector import Detector, Nms
from edge.errors import BackendNotInstalledError
from edge.models import FAMILIES
from edge.package import Package
from edge.recognize import Overrides, open_model
from edge.text import printable
from edge.types import Size

T = TypeVar("T")


def add_model_arguments(
    parser: argparse.ArgumentParser, *, default: Path | None = None, live: bool = False
) -> None:
    """Declare `--model --backend --precision --threads --device --imgsz`.

    Args:
        parser: Gets them.
        default: Of the first.
        live: See `load_detector`.
    """
    usual = "" if default is None else f"; default: the bundled one, {default.stem}"
    parser.add_argument(
        "--model",
        default=default,
        type=Path,
        metavar="M",
        help=f"a .edge package, or a model file{usual}",
    )
    parser.add_argument("--backend", choices=tuple(BACKENDS), help="default: the package's first")
    parser.add_argument(
        "--precision", choices=get_args(Precision), help="default: the best that model and CPU have"
    )
    parser.add_argument(
        "--threads",
        type=whole(0, MOST_THREADS),
        default=0,
        metavar="N",
        help=f"0 (default): one {'less than there are cores' if live else 'per core'}",
    )
    add_device_argument(parser)
    parser.add_argument(
        "--imgsz", type=parsed(Size.parse), metavar="N|HxW", help="default: the model's own"
    )


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """`--device`."""
    parser.add_argument(
        "--device",
        choices=get_args(Device),
        default="cpu",
        help="what computes (default cpu); another one is first compared with the CPU",
    )


def add_detection_arguments(
    parser: argparse.ArgumentParser, *, conf: float, iou: float, max_det: int = 300
) -> None:
    """`--conf --iou --nms --agnostic-nms --max-det`."""
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
        "--nms",
        choices=get_args(Nms),
        default="greedy",
        help="what becomes of the weaker box: dropped (greedy, default), its score lowered (soft), "
        "or both merged into their mean",
    )
    parser.add_argument(
        "--agnostic-nms", action="store_true", help="boxes of different classes overlap too"
    )
    parser.add_argument(
        "--max-det",
        type=whole(1),
        default=max_det,
        metavar="N",
        help=f"boxes per image at most (default {max_det})",
    )


def add_override_arguments(parser: argparse.ArgumentParser) -> None:
    """`--family --imgsz --labels`: what is said instead of recognized."""
    parser.add_argument("--family", choices=tuple(FAMILIES), help="default: recognized")
    parser.add_argument(
        "--imgsz",
        type=parsed(Size.parse),
        metavar="N|HxW",
        help="input size; default: the file's own, else the usual one of the family",
    )
    parser.add_argument(
        "--labels",
        type=parsed(labels),
        metavar="A,B,…|FILE",
        help="class names: a list, or a text file with one a line",
    )


def overrides(args: argparse.Namespace) -> Overrides:
    """What the options of `add_override_arguments` say."""
    return Overrides(family=args.family, input=args.imgsz, labels=args.labels)


def load_detector(
    args: argparse.Namespace,
    *,
    classes: Sequence[str] = (),
    multi_label: bool = False,
    live: bool = False,
) -> Detector:
    """The detector that the options describe.

    Says on standard error what runs the model and why, if asked to, or if it is not what was asked.

    Args:
        args: Of a parser with both groups of options above, and `--verbose`.
        classes: Names or ids to keep; empty for all.
        multi_label: See `Detector`.
        live: Frames are read, drawn and written at the same time. Where the options leave runtime
            and threads open, take what `edge tune` kept, or else leave one core to the others.

    Raises:
        UsageError: An option does not fit the model.
    """
    package = open_model([args.model]).package
    choice, why = _choice(args, package) if live else (None, "")
    threads = args.threads or (max(1, host.threads(0) - 1) if live else 0)
    try:
        detector = _detector(args, package, choice, threads, classes, multi_label)
    except BackendNotInstalledError as error:
        if choice is None:
            raise
        choice, why = None, f"not as tuned: {error}"
        detector = _detector(args, package, None, threads, classes, multi_label)
    backend = detector.backend
    if args.verbose:
        asked = (args.backend or DEVICES.get(args.device), args.precision)
        name = package.artifact(*((choice.backend, choice.precision) if choice else asked)).backend
        if args.device != "cpu":
            name += f" on {args.device}"
        number = "1 thread" if backend.threads == 1 else f"{backend.threads} threads"
        message = f"{detector.spec.family} at {detector.spec.input}, {name} {backend.precision}, "
        print(printable(f"{message}{number}{why and f' ({why})'}"), file=sys.stderr)
    if args.precision not in (None, backend.precision):
        print(
            f"edge: this CPU or model has no {args.precision} arithmetic; "
            f"running {backend.precision}",
            file=sys.stderr,
        )
    return detector


def _detector(
    args: argparse.Namespace,
    package: Package,
    choice: Choice | None,
    threads: int,
    classes: Sequence[str],
    multi_label: bool,
) -> Detector:
    try:
        return Detector.load(
            package,
            backend=choice.backend if choice else args.backend,
            precision=choice.precision if choice else args.precision,
            threads=choice.threads if choice else threads,
            device=args.device,
            input=args.imgsz,
            score_threshold=args.conf,
            iou_threshold=args.iou,
            max_detections=args.max_det,
            classes=classes or None,
            multi_label=multi_label,
            nms=args.nms,
            agnostic_nms=args.agnostic_nms,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _choice(args: argparse.Namespace, package: Package) -> tuple[Choice | None, str]:
    """What `edge tune` kept, where it is to be used; and why, or why not."""
    if args.backend or args.precision or args.threads or args.device != "cpu":
        return None, "as the options say"
    if os.environ.get("EDGE_TUNE", "").lower() == "off":
        return None, "not tuned: EDGE_TUNE=off"
    choice = choices.find(package, board.identify())
    if choice is None:
        return None, "not tuned: edge tune --model M would measure what is fastest here"
    return choice, f"tuned on {choice.created[:10]}: {choice.reason}"


def labels(text: str) -> tuple[str, ...]:
    """Class names from a comma-separated list or a text file.

    Raises:
        ValueError: They are neither.
    """
    if os.path.isfile(text):  # noqa: PTH113 - False too for a list too long to be a path
        try:
            lines = Path(text).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{text}: {error}") from error
        names = [line.strip() for line in lines if line.strip()]
    else:
        names = [name.strip() for name in text.split(",")]
    if not names or not all(names):
        raise ValueError(f"class names, got {text!r}, which is neither a file nor a list")
    return tuple(names)


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """An argparse type: a whole number from `low`, and to `high` where that is given."""
    expected = f"a whole number from {low}" + ("" if high is None else f" to {high}")

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError(f"{expected}, got {text}")
        value = int(text)
        if value < low or (high is not None and value > high):
            raise ValueError(f"{expected}, got {text}")
        return value

    return parsed(parse)


def number(low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a number from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:  # NaN is not
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
