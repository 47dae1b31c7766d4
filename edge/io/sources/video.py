"""A video file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from edge.errors import SourceError
from edge.io import opencv
from edge.io.buffers import Buffers
from edge.types import Frame, UInt8Array

_UNKNOWN_RATE = 25.0  # what FFmpeg assumes of a container that does not say


def open_source(target: str) -> Video:
    """The frames of a video file.

    Raises:
        SourceError: There is no such file, or OpenCV cannot open it.
        NotInstalledError: OpenCV is not installed.
    """
    return Video(target)


class Video:
    """Reads a video file at the pace at which its frames are taken, upright as its header says.

    It ends where decoding ends. Headers are often wrong about the number of frames, so fewer of
    them than promised is not a failure; none at all is an error.
    """

    live = False

    def __init__(self, path: str) -> None:
        self._cv2 = cv2 = opencv.load("reading videos")
        file = Path(path)
        try:
            file.open("rb").close()
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
        if not opencv.takes_name(file):
            raise SourceError(f"{path!r}: the name of a video must be UTF-8")
        with opencv.quiet(self._cv2):
            # An absolute path: FFmpeg would read "a:b.mp4" as protocol "a".
            self._capture = cv2.VideoCapture(str(file.absolute()))
        if not self._capture.isOpened():
            raise SourceError(f"{path}: neither an image nor a video that OpenCV can read")
        self._path = path
        rate, count = (self._capture.get(p) for p in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        self.rate = rate if math.isfinite(rate) and rate > 0 else _UNKNOWN_RATE
        self.count = int(count) if math.isfinite(count) and count >= 1 else None

    @property
    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (Path(self._path),)

    def __iter__(self) -> Iterator[Frame]:
        """Each frame, timed by the container's timestamps: seconds from its start.

        Raises:
            SourceError: Not even the first frame could be decoded.
        """
        buffers = Buffers()
        image: UInt8Array | None = None
        seconds = -1.0
        index = 0
        while True:
            into = None if image is None else buffers.take(image.shape)
            with opencv.quiet(self._cv2):
                read, image = self._capture.read(into)
            if not read or image is None:
                break
            seconds = self._time(seconds)
            yield Frame((image,), "BGR", index, seconds, self._path)
            index += 1
        if index == 0:
            raise SourceError(f"{self._path}: not one frame of it can be decoded")

    def _time(self, last: float) -> float:
        # Where the container has no timestamps, OpenCV gives 0 or NaN: count on from the last.
        seconds = float(self._capture.get(self._cv2.CAP_PROP_POS_MSEC)) / 1000
        if last < 0:
            return seconds if seconds > 0 else 0.0
        return seconds if seconds > last else last + 1 / self.rate

    def stop(self) -> None:
        """Nothing here waits for anything."""

    def close(self) -> None:
        """Release the file."""
        self._capture.release()
