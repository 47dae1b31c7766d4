"""OpenCV, found in one place: explained where it is missing, quiet where it is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.errors import NotInstalledError

_FFMPEG_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"


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
    set in the environment is left alone, and so is the environment of child processes. FFmpeg's
    level is read once per process, by the first video that is opened; libpng and libjpeg have no
    such switch.

    Source: OpenCV environment variables reference (OPENCV_LOG_LEVEL, OPENCV_FFMPEG_LOGLEVEL).
    """
    # 4.9 has the one, 5.0 the other.
    set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
    before = None if "OPENCV_LOG_LEVEL" in os.environ else set_level(0)
    ours = _FFMPEG_LEVEL not in os.environ
    if ours:
        os.environ[_FFMPEG_LEVEL] = "-8"  # AV_LOG_QUIET
    try:
        yield
    finally:
        if ours:
            os.environ.pop(_FFMPEG_LEVEL, None)
        if before is not None:
            set_level(before)


def takes_name(path: Path) -> bool:
    """Whether a file name may be given to OpenCV: 5.0 does not survive one that is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
