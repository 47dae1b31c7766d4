"""Images on standard input: MJPEG, YUV4MPEG2 or raw."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from edge.errors import SourceError
from edge.io.sources.mode import Mode
from edge.io.sources.pipe import Pipe
from edge.io.sources.wire import plane_shapes, raw, sniff
from edge.types import Failure, Frame, PixelFormat

_RAW: tuple[PixelFormat, ...] = ("I420", "NV12", "YUYV", "BGR", "RGB", "GRAY")


def open_source(target: str) -> StandardInput:
    """The images on standard input: raw ones with `?size=640x480&format=I420`, else told apart.

    Raises:
        SourceError: An option is wrong, or one of `size` and `format` is missing.
    """
    name, mode = Mode.parse(target, _RAW)
    if name:
        raise SourceError(f"-{target}: wanted -, or -?size=WIDTHxHEIGHT&format=I420")
    if (mode.size is None) != (mode.format is None):
        raise SourceError(f"-{target}: raw images need both size and format")
    return StandardInput(mode)


class StandardInput:
    """Reads standard input as fast as frames are taken, so that no image is lost.

    Where a camera writes there, `--drop-policy drop-oldest` keeps its images young.
    """

    live = False
    count = None
    files: tuple[Path, ...] = ()

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._stopped = threading.Event()
        self.rate = mode.rate or 30.0
        if mode.size is not None and mode.format is not None:
            try:
                plane_shapes(mode.size, _form(mode))
            except ValueError as error:
                raise SourceError(f"-: {error}") from error

    def __iter__(self) -> Iterator[Frame | Failure]:
        """Each image, in Unix time; a failure for one that is damaged.

        Raises:
            SourceError: It holds none, or something else.
        """
        pipe = Pipe(sys.stdin.fileno(), "standard input", self._stopped)
        size = self._mode.size
        index = 0
        try:
            raw_frames = sniff(pipe) if size is None else raw(pipe, size, _form(self._mode))
            for raw_frame in raw_frames:
                if raw_frame is None:
                    yield Failure(index, time.time(), "-", "it is damaged")
                else:
                    at = time.time() - (time.monotonic() - raw_frame.captured)
                    yield Frame(
                        raw_frame.planes, raw_frame.format, index, at, "-", raw_frame.captured
                    )
                index += 1
        except SourceError as error:
            if self._stopped.is_set():
                return
            if not index:
                raise
            yield Failure(index, time.time(), "-", f"{error} inside an image")
        if not index:
            raise SourceError("standard input holds no image")

    def stop(self) -> None:
        """End a wait for more."""
        self._stopped.set()

    def close(self) -> None:
        """Standard input stays open: it is the process's."""


def _form(mode: Mode) -> PixelFormat:
    return next(form for form in _RAW if form == mode.format)
