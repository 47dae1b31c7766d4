"""An annotated video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.errors import SinkError
from edge.io import opencv
from edge.io.base import Source
from edge.io.draw import annotate
from edge.io.sinks.targets import part_of, prepare_file, prepare_folder
from edge.types import Failure, Result, Size

# Container to the codec that every OpenCV wheel can write into it.
_CODECS: Mapping[str, str] = MappingProxyType(
    {".avi": "MJPG", ".mkv": "mp4v", ".mov": "mp4v", ".mp4": "mp4v"}
)
SUFFIXES = tuple(_CODECS)
_FASTEST = 120.0  # frames/s: containers without a constant rate may claim 1000 or 90000
_LONGEST_GAP = 10.0  # seconds: a source that pauses longer is cut, not filled


def open_folder(folder: Path, source: Source, labels: Sequence[str]) -> VideoFile:
    """A sink that writes the video into a folder, under the name of its source, as .mp4.

    Raises:
        SinkError: The folder cannot be written to, or is the source's own.
        NotInstalledError: OpenCV is not installed.
    """
    prepare_folder(folder, source)
    stem = source.files[0].stem.encode(errors="replace").decode() if source.files else "camera"
    return open_file(folder / f"{stem}.mp4", source, labels)


def open_file(file: Path, source: Source, labels: Sequence[str]) -> VideoFile:
    """A sink that writes one video file.

    Raises:
        SinkError: The source holds still images, or the file cannot be written.
        NotInstalledError: OpenCV is not installed.
    """
    opencv.load("writing videos")
    if source.rate is None:
        raise SinkError(f"{file}: still images do not make a video; name a folder")
    if not opencv.takes_name(file):
        raise SinkError(f"{str(file)!r}: the name of a video must be UTF-8")
    prepare_file(file, source)
    return VideoFile(file, min(source.rate, _FASTEST), labels)


class VideoFile:
    """Writes annotated frames at a constant rate, each shown for as long as it lasted.

    A frame is repeated or left out where the source did not keep its rate, so that the video
    takes the time that the source took: cameras slow down in the dark, and frames get lost.
    The file takes its name on `close`; without a frame there is none.
    """

    def __init__(self, file: Path, rate: float, labels: Sequence[str]) -> None:
        self._file = file
        self._part = part_of(file)
        self._rate = rate
        self._labels = labels
        self._writer: Any = None
        self._size = Size(1, 1)
        self._written = 0
        self._start = self._last = 0.0

    def write(self, result: Result) -> None:
        """Draw and write one frame."""
        frame = result.frame
        if self._writer is None:
            self._open(frame.size)
            self._start = self._last = frame.time
        elif frame.size != self._size:
            raise SinkError(f"{self._file}: the image changes from {self._size} to {frame.size}")
        gap = frame.time - self._last
        if not 0 <= gap <= _LONGEST_GAP:
            self._start += gap - 1 / self._rate
        self._last = frame.time
        due = round((frame.time - self._start) * self._rate) + 1
        if due <= self._written:
            return
        image = annotate(frame, result.detections, self._labels)
        while self._written < due:
            self._writer.write(image)
            self._written += 1

    def write_failure(self, failure: Failure) -> None:
        """There is nothing to draw on; the frame before it stays on for its time."""

    def close(self) -> None:
        """Finish the video and give it its name."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        writer.release()
        if self._written == 0:  # interrupted before the first was
            self._part.unlink(missing_ok=True)
            return
        try:
            # The writer does not say when the disk is full: look at what it left. An .mp4 cannot
            # be read without its end; of an .avi or .mkv the beginning may do.
            if not _is_video(self._part):
                raise SinkError(f"{self._file}: could not be written completely; is the disk full?")
            self._part.replace(self._file)
        except OSError as error:
            raise SinkError(f"{self._file}: {error.strerror}") from error
        finally:
            self._part.unlink(missing_ok=True)

    def _open(self, size: Size) -> None:
        cv2 = opencv.load("writing videos")
        codec = _CODECS[self._file.suffix.lower()]
        with opencv.quiet(cv2):
            writer = cv2.VideoWriter(
                str(self._part.absolute()),
                cv2.VideoWriter_fourcc(*codec),
                self._rate,
                (size.width, size.height),
            )
        if not writer.isOpened():
            self._part.unlink(missing_ok=True)
            raise SinkError(f"{self._file}: this OpenCV cannot write {codec} video of {size}")
        self._writer, self._size = writer, size


def _is_video(file: Path) -> bool:
    cv2 = opencv.load("writing videos")
    with opencv.quiet(cv2):
        capture = cv2.VideoCapture(str(file.absolute()))
        readable = bool(capture.isOpened() and capture.read()[0])
    capture.release()
    return readable
