"""A stream from the network: RTSP, HTTP."""

from __future__ import annotations

import threading
import time

from edge.errors import SourceError
from edge.io import opencv
from edge.io.buffers import Buffers
from edge.io.sources import login
from edge.io.sources.live import DEFAULT_RECONNECT, Live, RawFrame, ReconnectPolicy
from edge.io.sources.url import expand
from edge.redaction import masked


def open_source(target: str, reconnect: ReconnectPolicy = DEFAULT_RECONNECT) -> Live:
    """The stream of a URL, through OpenCV's FFmpeg.

    Its secrets may be named instead of written out: see `expand`. None is ever shown.

    Raises:
        SourceError: It does not answer, refuses the login, is no video, or a secret is not there.
        NotInstalledError: OpenCV is not installed.
    """
    opencv.load("reading streams")
    name = masked(target)

    def connect(stopped: threading.Event) -> Stream:
        return Stream(expand(target), name, reconnect.stall, stopped)

    return Live(name, connect, reconnect)


class Stream:
    """An open stream.

    Args:
        url: With its password.
        name: For messages.
        stall: Seconds after which it counts as lost, or as not answering.
        stopped: Ends the question why it does not open.
    """

    def __init__(self, url: str, name: str, stall: float, stopped: threading.Event) -> None:
        self._cv2 = cv2 = opencv.load("reading streams")
        self._name = name
        self._stall = stall
        self._pool = Buffers()
        self._shape: tuple[int, ...] | None = None
        limits = []
        for key in (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC):
            limits += [key, max(1, round(1000 * stall))]
        since = time.monotonic()
        with opencv.quiet(cv2):
            self._capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            silent = time.monotonic() - since > 0.9 * stall
            why = f"no answer for {stall:g} s" if silent else login.refusal(url, stopped)
            raise SourceError(f"{name}: {why or 'no video there'}")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 240 else None
        self.ends = self._capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0

    def read(self) -> RawFrame | None:
        """The next image.

        Raises:
            SourceError: The stream ended or is silent.
        """
        since = time.monotonic()
        with opencv.quiet(self._cv2):
            if not self._capture.grab():
                silent = time.monotonic() - since > 0.9 * self._stall
                why = f"no frame for {self._stall:g} s" if silent else "the stream ended"
                raise SourceError(f"{self._name}: {why}")
            captured = time.monotonic()
            into = None if self._shape is None else self._pool.take(self._shape)
            read, image = self._capture.retrieve(into)
        if not read or image is None:
            return None
        self._shape = image.shape
        return RawFrame((image,), "BGR", captured)

    def close(self) -> None:
        """Hang up."""
        self._capture.release()
