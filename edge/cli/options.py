"""Options that several commands share, declared and read in one way."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, get_args

from edge import board, choices
from edge.backends import BACKENDS, DEVICES, host
from edge.backends.base import MOST_THREADS, Device, Precision
from edge.choices import Choice
from edge.cli import UsageError
from edge.detector import Detector, Nms
from edge.errors import BackendNotInstalledError, ModelError
from edge.models import FAMILIES
from edge.overrides import Overrides
from edge.package import Package, is_package
from edge.paths import exists
from edge.recognize import open_model
from edge.text import printable
from edge.types import Color, Placement, Size

T = TypeVar("T")
_COLORS: Mapping[str, Color] = MappingProxyType({"rgb": "RGB", "bgr": "BGR", "gray": "GRAY"})


def add_model_arguments(
    parser: argparse.ArgumentParser, *, default: Path | None = None, live: bool = False
) -> None:
    """Declare `--model --backend --precision --threads --device`, and what is said of a bare file.

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
    add_override_arguments(parser)


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
    """`--imgsz`, and what is said of a model file instead of recognized; packages know it."""
    parser.add_argument(
        "--imgsz",
        type=parsed(Size.parse),
        metavar="N|HxW",
        help="input size; default: the model's own, else the usual one of the family",
    )
    group = parser.add_argument_group(
        "reading a model file", "what neither the file nor its outputs tell; packages know it"
    )
    group.add_argument(
        "--family", choices=tuple(FAMILIES), metavar="F", help="of detectors; default: recognized"
    )
    group.add_argument(
        "--labels",
        type=parsed(labels),
        metavar="A,B,…|FILE",
        help="class names: a list, or a text file with one a line",
    )
    group.add_argument(
        "--anchors",
        type=parsed(_anchors),
        metavar="W,H,…",
        help="in input pixels, in the order of the file's outputs",
    )
    group.add_argument("--color", choices=tuple(_COLORS), help="order of the input's channels")
    group.add_argument(
        "--mean",
        type=parsed(_triple),
        metavar="R,G,B",
        help="subtracted from pixels of 0 to 255, in the order of --color",
    )
    group.add_argument(
        "--std",
        type=parsed(_positive),
        metavar="R,G,B",
        help="what is left is divided by it; if all are at most 1, mean and std are of 0 to 1",
    )
    group.add_argument(
        "--letterbox",
        choices=get_args(Placement),
        help="where the image lies in the input; stretch: it fills it",
    )
    group.add_argument(
        "--pad", type=parsed(_pad), metavar="N|R,G,B", help="pixel value around the image"
    )


def overrides(args: argparse.Namespace) -> Overrides:
    """What the options of `add_override_arguments` say."""
    return Overrides(
        family=args.family,
        input=args.imgsz,
        labels=args.labels,
        anchors=args.anchors,
        color=None if args.color is None else _COLORS[args.color],
        mean=args.mean,
        std=args.std,
        letterbox=args.letterbox,
        pad=args.pad,
    )


def opened(args: argparse.Namespace) -> tuple[Package, Size | None]:
    """The model of `--model`, and the input size that is asked of a package.

    Raises:
        EdgeError: As `edge.recognize.open_model`.
        UsageError: The size does not suit the model.
    """
    given = overrides(args)
    size = None
    if exists(args.model, ModelError) and is_package(args.model):
        size, given = given.input, replace(given, input=None)
    try:
        return open_model([args.model], given).package, size
    except ValueError as error:
        raise UsageError(str(error)) from error


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
    package, size = opened(args)
    choice, why = _choice(args, package) if live else (None, "")
    threads = args.threads or (max(1, host.threads(0) - 1) if live else 0)
    try:
        detector = _detector(args, package, size, choice, threads, classes, multi_label)
    except BackendNotInstalledError as error:
        if choice is None:
            raise
        choice, why = None, f"not as tuned: {error}"
        detector = _detector(args, package, size, None, threads, classes, multi_label)
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
    size: Size | None,
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
            imgsz=size,
            conf=args.conf,
            iou=args.iou,
            max_det=args.max_det,
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


def _anchors(text: str) -> tuple[float, ...]:
    numbers = _numbers(text)
    if len(numbers) % 2 or not all(0 < n < math.inf for n in numbers):
        raise ValueError(f"widths and heights above 0, two numbers for each anchor, got {text}")
    return numbers


def _triple(text: str) -> tuple[float, float, float]:
    """Three numbers, or one for all channels."""
    numbers = _numbers(text)
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"a number for each of three channels, or one for all, got {text}")
    first, second, third = numbers * (3 // len(numbers))
    return first, second, third


def _positive(text: str) -> tuple[float, float, float]:
    numbers = _triple(text)
    if min(numbers) <= 0:
        raise ValueError(f"numbers above 0, got {text}")
    return numbers


def _pad(text: str) -> tuple[int, int, int]:
    first, second, third = _triple(text)
    numbers = (int(first), int(second), int(third))
    whole_numbers = numbers == (first, second, third)
    if not (whole_numbers and 0 <= min(numbers) <= max(numbers) <= 255):
        raise ValueError(f"whole numbers from 0 to 255, got {text}")
    return numbers


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        raise ValueError(f"numbers with commas between, got {text}") from None


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
