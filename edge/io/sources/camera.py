"""A camera that the system knows as /dev/videoN: USB, mostly."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from edge.errors import SourceError
from edge.io import opencv
from edge.types import Frame, UInt8Array

_USUAL_RATE = 30.0


def open_source(target: str) -> Camera:
    """The camera of an index ("0") or device file ("/dev/video0").

    Raises:
        SourceError: There is no such camera, it may not be used, or it does not open.
        NotInstalledError: OpenCV is not installed.
    """
    match = re.fullmatch(r"(?:/dev/video)?(\d{1,4})", target)
    if match is None:
        raise SourceError(f"a camera is an index or /dev/videoN, got {target!r}")
    return Camera(int(match[1]))


class Camera:
    """Reads a camera through V4L2."""

    live = True
    count = None
    files: tuple[Path, ...] = ()

    def __init__(self, index: int) -> None:
        self._cv2 = cv2 = opencv.load("reading cameras")
        self._device = Path(f"/dev/video{index}")
        _check(index, self._device)
        with opencv.quiet(self._cv2):
            self._capture = cv2.VideoCapture(index, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(
                f"camera {index}: {self._device} is there but does not open as a camera; another "
                "program may hold it, or it is not the node that captures (a camera often has "
                "several: try the next)"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate < 1000 else _USUAL_RATE

    def __iter__(self) -> Iterator[Frame]:
        """Each frame as it arrives, in Unix time.

        Raises:
            SourceError: The camera gives no frame, or none any more.
        """
        image: UInt8Array | None = None
        index = 0
        while True:
            with opencv.quiet(self._cv2):
                read, image = self._capture.read(image)
            if not read or image is None:
                raise SourceError(f"{self._device}: no frame, after {index} frames")
            yield Frame((image,), "BGR", index, time.time(), str(self._device))
            index += 1

    def close(self) -> None:
        """Release the device."""
        self._capture.release()


def _check(index: int, device: Path) -> None:
    """Says why a camera cannot be opened, where the file system can tell."""
    if not device.exists():
        numbered = [int(p.name[5:]) for p in device.parent.glob("video*") if p.name[5:].isdigit()]
        there = ", ".join(f"/dev/video{n}" for n in sorted(numbered)) or "no /dev/video* at all"
        raise SourceError(f"camera {index}: no {device}; there is {there}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(
            f"camera {index}: no permission to use {device}; "
            "sudo usermod -aG video $USER, then log in again"
        )
