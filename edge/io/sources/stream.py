"""A stream from the network: RTSP, HTTP."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

from edge.errors import SourceError
from edge.io import opencv
from edge.io.buffers import Buffers
from edge.io.sources.live import USUAL, Live, Patience, Shot


def open_source(target: str, patience: Patience = USUAL) -> Live:
    """The stream of a URL, through OpenCV's FFmpeg.

    `${NAME}` in it is the environment's NAME, `${file:PATH}` the first line of a file: neither is
    ever shown, nor is a password that is written out.

    Raises:
        SourceError: It does not answer, is no video, or a secret is not there.
        NotInstalledError: OpenCV is not installed.
    """
    opencv.load("reading streams")
    name = masked(target)

    def connect(stopped: threading.Event) -> Stream:  # noqa: ARG001 - its waits are short
        return Stream(with_secrets(target), name, patience.stall)

    return Live(name, connect, patience)


class Stream:
    """An open stream.

    Args:
        url: With its password.
        name: For messages.
        stall: Seconds after which it counts as lost, or as not answering.
    """

    def __init__(self, url: str, name: str, stall: float) -> None:
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
            why = f"no answer for {stall:g} s" if silent else "no video there"
            raise SourceError(f"{name}: {why}")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 240 else None
        self.ends = self._capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0

    def read(self) -> Shot | None:
        """The next picture.

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
        return Shot((image,), "BGR", captured)

    def close(self) -> None:
        """Hang up."""
        self._capture.release()


def masked(url: str) -> str:
    """A URL with its password, if any, as three stars."""
    return re.sub(r"^(\w+://[^/@:]*):[^/]*@", r"\1:***@", url)


def with_secrets(url: str) -> str:
    """A URL with what `${NAME}` and `${file:PATH}` stand for.

    Raises:
        SourceError: It is not there. The message names it and holds no secret.
    """

    def secret(match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith("file:"):
            try:
                lines = Path(name[5:]).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise SourceError(f"secret {name}: {getattr(error, 'strerror', error)}") from error
            return lines[0].strip() if lines else ""
        if name not in os.environ:
            raise SourceError(f"secret {name}: no such variable in the environment")
        return os.environ[name]

    return re.sub(r"\$\{([^}]*)\}", secret, url)
