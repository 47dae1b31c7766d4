"""OpenCV, found in one place: explained where it is missing, quiet where it is not."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.errors import NotInstalledError


def load(purpose: str) -> Any:
    """The module `cv2`, of any OpenCV from 4.9.

    Args:
        purpose: What it is needed for, as a subject: "reading images".

    Raises:
        NotInstalledError: There is none, or it does not load.
    """
    need = f"{purpose} needs OpenCV"
    try:
        import cv2
    except ImportError as error:
        if error.name != "cv2":  # such as libGL.so.1, on a board without a desktop
            need += f", and the one installed does not load ({error})"
        raise NotInstalledError(need, "opencv") from error
    if not hasattr(cv2, "imdecode"):
        # opencv-python and opencv-python-headless share their files: removing one of two leaves
        # a folder that imports and holds nothing.
        need += ", and the one installed has lost its files (uninstall every opencv-* package)"
        raise NotInstalledError(need, "opencv")
    return cv2


@contextmanager
def quiet(cv2: Any) -> Iterator[None]:
    """Keeps OpenCV and its FFmpeg from writing to standard error inside the block.

    What went wrong there is ours to say, in one line that names the thing. A level that the user
    set in the environment is left alone. OpenCV's level is one for the process: threads may be
    inside together, and the last to leave restores it. FFmpeg's is read once per process, from the
    environment, by the first video that is opened: it is set there once, and stays. libpng and
    libjpeg have no such switch.

    Source: OpenCV environment variables reference (OPENCV_LOG_LEVEL, OPENCV_FFMPEG_LOGLEVEL).
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    if "OPENCV_LOG_LEVEL" in os.environ:
        yield
        return
    _quiet.enter(cv2)
    try:
        yield
    finally:
        _quiet.leave(cv2)


class _Quiet:
    """Counts those inside, since they share one level."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 0

    def enter(self, cv2: Any) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = _set_level(cv2, 0)
            self._inside += 1

    def leave(self, cv2: Any) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _set_level(cv2, self._before)


_quiet = _Quiet()


def _set_level(cv2: Any, level: int) -> int:
    """Returns the level before."""
    # 4.9 has the one, 5.0 the other.
    set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
    before: int = set_level(level)
    return before


def takes_name(path: Path) -> bool:
    """Whether a file name may be given to OpenCV: 5.0 does not survive one that is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
