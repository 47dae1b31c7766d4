"""Image files: one, those of a folder, or those that a glob matches."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.errors import SourceError
from edge.io import opencv
from edge.paths import exists
from edge.types import Failure, Frame, UInt8Array

# What OpenCV has a reader for. Builds differ: a file that this one cannot read is a `Failure`.
SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("avif", "bmp", "dib", "exr", "gif", "hdr", "jp2", "jpe", "jpeg", "jpg", "pbm", "pfm"),
        *("pgm", "pic", "png", "pnm", "ppm", "pxm", "ras", "sr", "tif", "tiff", "webp"),
    )
)


def open_source(target: str) -> ImageFiles:
    """The images of a file, a folder (not those below it) or a glob (`**` crosses folders).

    In a folder or glob, what has no image suffix, or a name that starts with a dot, is passed
    over. The order is that of the paths as strings.

    Raises:
        SourceError: There is no such file or folder, or no image in it.
        NotInstalledError: OpenCV is not installed.
    """
    opencv.load("reading images")
    path = Path(target)
    there = exists(path, SourceError)
    if there and not path.is_dir():
        return ImageFiles((target,))
    try:
        if there:
            paths = [p for p in path.iterdir() if not p.name.startswith(".")]
        else:
            paths = [Path(p) for p in glob.glob(target, recursive=True)]  # noqa: PTH207 - absolute
        images = sorted(str(p) for p in paths if p.suffix.lower() in SUFFIXES and _may_be_read(p))
    except OSError as error:
        raise SourceError(f"{target}: {error.strerror}") from error
    if not paths and not there:
        raise SourceError(f"{target}: no such file or folder, and as a glob it matches nothing")
    if not images:
        raise SourceError(f"{target}: no images; looked for {' '.join(sorted(SUFFIXES))}")
    return ImageFiles(tuple(images))


def is_image(path: Path) -> bool:
    """Whether a file is a still image: by its suffix, else by its content.

    Raises:
        NotInstalledError: OpenCV is not installed.
    """
    if path.suffix.lower() in SUFFIXES:
        return True
    cv2 = opencv.load("reading images")
    with opencv.quiet(cv2):
        return opencv.takes_name(path) and bool(cv2.haveImageReader(str(path)))


class ImageFiles:
    """Reads image files, one frame each, at the pace at which they are taken."""

    live = False
    rate = None

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._paths)

    @property
    def files(self) -> tuple[Path, ...]:
        """The images."""
        return tuple(Path(path) for path in self._paths)

    def __iter__(self) -> Iterator[Frame | Failure]:
        """Each image as 8-bit BGR, upright by its EXIF orientation, timed when it was read."""
        return map(_read, range(len(self._paths)), self._paths)

    def stop(self) -> None:
        """Nothing here waits for anything."""

    def close(self) -> None:
        """Nothing is held open."""


def read_image(path: str) -> UInt8Array:
    """The image of a file, (H, W, 3) BGR, upright by its EXIF orientation.

    16-bit values are scaled to 8; gray and palette images become color; alpha is dropped; of
    an animation, the first image.

    Raises:
        SourceError: It cannot be read. The message is the reason; it does not name the file.
        NotInstalledError: OpenCV is not installed.
    """
    cv2 = opencv.load("reading images")
    try:
        # Not imread: it turns to warnings on standard error what a caller must know, and cannot
        # open every name that the system can.
        data = np.frombuffer(Path(path).read_bytes(), np.uint8)
    except (OSError, MemoryError) as error:
        raise SourceError(getattr(error, "strerror", None) or "not enough memory") from error
    if data.size == 0:
        raise SourceError("the file is empty")
    try:
        with opencv.quiet(cv2):
            image: UInt8Array | None = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:  # its own limits, such as CV_IO_MAX_IMAGE_PIXELS
        raise SourceError(f"OpenCV refuses it: {error.err or error}") from error
    if image is None:
        raise SourceError("not an image that OpenCV can read, or a damaged one")
    return image


def _may_be_read(path: Path) -> bool:
    """Whether it is a file, or a link to nowhere, which is then a `Failure`; a pipe would hang."""
    return path.is_file() or not path.exists()


def _read(index: int, path: str) -> Frame | Failure:
    try:
        image = read_image(path)
    except SourceError as error:
        return Failure(index, time.time(), path, str(error))
    return Frame((image,), "BGR", index, time.time(), path)
