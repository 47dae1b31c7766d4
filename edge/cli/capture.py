"""`edge capture`: collect images to calibrate or label, from a camera or a video."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.cli import options
from edge.errors import SinkError, SourceError, UnsavedError
from edge.io import opencv
from edge.io.base import Source
from edge.io.draw import bgr
from edge.io.selection import Look, fault, is_duplicate, look
from edge.io.sinks.targets import prepare_folder, write_whole
from edge.io.sources import open_source
from edge.io.sources.images import read_image
from edge.redaction import masked, redacted
from edge.text import printable
from edge.types import Event, Failure, Frame

HELP = "collect images from a camera or video: one every so often, duplicates skipped"

_QUALITY = 95  # of JPEG: far finer than what 8 bits lose
_NAME = re.compile(r"capture-([0-9]{5,9})\.jpg")


@dataclass(slots=True)
class Captured:
    """What a run has taken so far.

    Attributes:
        written: Files.
        skipped: Frames by the reason why they were not kept.
    """

    written: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        parts = [f"{self.written} images"]
        if self.skipped:
            reasons = ", ".join(f"{n} {why}" for why, n in sorted(self.skipped.items()))
            parts.append(f"passed over: {reasons}")
        return "; ".join(parts)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--source",
        required=True,
        metavar="S",
        help="a camera (0, usb:SERIAL, csi:0, /dev/videoN), rtsp:// or http:// stream, video file, "
        "folder of images or test:conveyor",
    )
    parser.add_argument(
        "--every",
        type=options.parsed(seconds),
        default=2.0,
        metavar="T",
        help="time between two images of a camera or video: 2s (default), 500ms, 1m; still "
        "images are all looked at",
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="DIR", help="folder for the images"
    )
    parser.add_argument(
        "--max-images",
        type=options.whole(1),
        default=200,
        metavar="N",
        help="stop when the folder holds so many (default 200); Ctrl-C stops earlier",
    )


def run(args: argparse.Namespace) -> int:
    """Collect until there are enough, the source ends or the user stops it. Returns 0.

    A second run into the same folder goes on: it keeps what is there and compares with it.
    """
    source = open_source(args.source)
    kept = Captured()
    try:
        prepare_folder(args.output, source)
        number, looks = _already(args.output)
        if len(looks) >= args.max_images:
            print(printable(f"{args.output}: {len(looks)} images are there"), file=sys.stderr)
            return 0
        collect(source, args.output, args.every, args.max_images, kept, number, looks)
    except KeyboardInterrupt:
        pass  # the usual way to stop a camera; every file is complete
    finally:
        source.close()
    print(printable(f"{args.output}: {kept}"), file=sys.stderr)
    if not kept.written and kept.skipped:
        raise SourceError(f"{masked(args.source)}: no usable image; {kept}")
    return 0


def collect(
    source: Source,
    folder: Path,
    every: float,
    enough: int,
    kept: Captured,
    number: int,
    looks: list[Look],
) -> None:
    """Write the frames worth keeping.

    Args:
        source: Where they come from.
        folder: Where they go, as capture-00001.jpg and so on.
        every: Seconds between two frames of a video or camera.
        enough: Images in the folder after which it ends.
        kept: Is counted up.
        number: Of the last image in the folder.
        looks: Of the images that are there already; grows.

    Raises:
        SourceError: The source as a whole failed.
        SinkError: An image cannot be written.
    """
    live = sys.stderr.isatty()
    for item in due(source, every):
        if isinstance(item, Event):
            text = " ".join(filter(None, [item.subject, item.name, item.reason]))
            print(printable(redacted(text)), file=sys.stderr)
            continue
        if isinstance(item, Failure):
            kept.skipped["unreadable"] += 1
            continue
        this = look(item)
        why = fault(this) or (
            "the same again" if any(is_duplicate(this, other) for other in looks) else None
        )
        if why:
            kept.skipped[why] += 1
        else:
            number += 1
            write_whole(folder / f"capture-{number:05d}.jpg", _jpeg(item))
            looks.append(this)
            kept.written += 1
        if live:
            print(f"\r{kept}\x1b[K", end="", file=sys.stderr, flush=True)
        if len(looks) >= enough:
            break
    if live:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def due(source: Source, every: float) -> Iterator[Frame | Failure | Event]:
    """The frames that are so many seconds apart; of still images all."""
    if source.rate is None:
        yield from source
        return
    next_: float | None = None
    for item in source:
        if isinstance(item, Event):
            yield item
            continue
        if next_ is not None and item.time < next_ - 1e-6:
            continue
        yield item
        late = 0.0 if next_ is None else item.time - next_
        next_ = item.time - (late if late < every else 0.0) + every  # no drift, no catching up


def seconds(text: str) -> float:
    """Read "2", "2s", "500ms", "1.5m".

    Raises:
        ValueError: The text has another form, or it is no time.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?", text.strip())
    if match is None:
        raise ValueError(f"a time such as 2s, 500ms or 1m, got {text!r}")
    value = float(match[1]) * {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}[match[2] or "s"]
    if not value <= 86400:
        raise ValueError(f"a time of at most a day, got {text!r}")
    return value


def _already(folder: Path) -> tuple[int, list[Look]]:
    """The number of the last image of earlier runs, and the looks of all."""
    files = sorted(p for p in folder.iterdir() if _NAME.fullmatch(p.name))
    try:
        looks = [look(Frame.of(read_image(str(path)))) for path in files]
    except SourceError as error:
        raise SinkError(f"{folder}: an image of an earlier run cannot be read: {error}") from error
    numbers = [int(match[1]) for path in files if (match := _NAME.fullmatch(path.name))]
    return max(numbers, default=0), looks


def _jpeg(frame: Frame) -> bytes:
    cv2 = opencv.load("writing images")
    encoded, content = cv2.imencode(".jpg", bgr(frame), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not encoded:
        raise UnsavedError("OpenCV cannot encode an image as JPEG")
    data: bytes = content.tobytes()
    return data
