"""Annotated still images: one file, or a folder of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.errors import SinkError, UnsavedError
from edge.io import opencv
from edge.io.base import Source
from edge.io.draw import annotate
from edge.io.sinks.targets import prepare_file, prepare_folder, write_whole
from edge.types import Failure, Result

# Kept from the source's name; an image of any other kind becomes a PNG.
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def open_folder(folder: Path, source: Source, labels: Sequence[str]) -> ImageFolder:
    """A sink that writes each image of the source into a folder, under its own name.

    Raises:
        SinkError: The folder cannot be written to, or is the source's own.
        NotInstalledError: OpenCV is not installed.
    """
    opencv.load("drawing")
    prepare_folder(folder, source)
    return ImageFolder(folder, labels)


def open_file(file: Path, source: Source, labels: Sequence[str]) -> ImageFile:
    """A sink for the one image of a source.

    Raises:
        SinkError: The source has more than one, or the file cannot be written.
        NotInstalledError: OpenCV is not installed.
    """
    opencv.load("drawing")
    if source.rate is not None:
        raise SinkError(f"{file}: a video does not fit one image; name a folder or an .mp4 file")
    if source.count != 1:
        raise SinkError(f"{file}: {source.count} images do not fit one file; name a folder")
    prepare_file(file, source)
    return ImageFile(file, labels)


class ImageFolder:
    """Writes annotated images under the names of their sources.

    Images of one name, from different folders, become x.jpg, x-2.jpg, …: none replaces another
    of the same run. Those of an earlier run are replaced.
    """

    def __init__(self, folder: Path, labels: Sequence[str]) -> None:
        self._folder = folder
        self._labels = labels
        self._taken: set[str] = set()

    def write(self, result: Result) -> None:
        """Draw and write one image."""
        _write(self._target(Path(result.frame.source)), result, self._labels)

    def write_failure(self, failure: Failure) -> None:
        """There is nothing to draw on."""

    def close(self) -> None:
        """Each image was complete when it was written."""

    def _target(self, source: Path) -> Path:
        suffix = source.suffix if source.suffix.lower() in SUFFIXES else ".png"
        stem = source.stem or "image"
        name, number = f"{stem}{suffix}", 1
        while name.casefold() in self._taken:  # as a memory card's file system compares them
            number += 1
            name = f"{stem}-{number}{suffix}"
        self._taken.add(name.casefold())
        return self._folder / name


class ImageFile:
    """Writes one annotated image."""

    def __init__(self, file: Path, labels: Sequence[str]) -> None:
        self._file = file
        self._labels = labels

    def write(self, result: Result) -> None:
        """Draw and write it."""
        _write(self._file, result, self._labels)

    def write_failure(self, failure: Failure) -> None:
        """There is nothing to draw on."""

    def close(self) -> None:
        """It was complete when it was written."""


def _write(file: Path, result: Result, labels: Sequence[str]) -> None:
    cv2 = opencv.load("drawing")
    try:
        encoded, content = cv2.imencode(
            file.suffix.lower(), annotate(result.frame, result.detections, labels)
        )
    except cv2.error as error:  # larger than the format allows, or no such encoder in this build
        raise UnsavedError(f"{file}: OpenCV cannot encode it: {error.err or error}") from error
    if not encoded:
        raise UnsavedError(f"{file}: OpenCV cannot encode it")
    write_whole(file, content.tobytes())
