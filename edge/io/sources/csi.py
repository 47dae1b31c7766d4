"""A camera on the CSI connector of a Raspberry Pi (libcamera) or a Jetson (Argus)."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator

from edge.errors import SourceError
from edge.io.sources.live import USUAL, Live, Patience, Shot
from edge.io.sources.mode import Mode
from edge.io.sources.pipe import Pipe
from edge.io.sources.program import Program
from edge.io.sources.wire import raw
from edge.types import PixelFormat, Size

_USUAL = Size(480, 640)
_STEP = 64  # pixels: rows of another width come with padding that a pipe does not tell


def open_source(target: str, patience: Patience = USUAL) -> Live:
    """The camera of a number, as in `csi:0`; options as in `0?size=1280x720&fps=30`.

    What `rpicam-vid` or `libcamera-vid` gives is I420, what `gst-launch-1.0` with
    `nvarguscamerasrc` gives is NV12: neither is converted.

    Raises:
        SourceError: There is no such camera, or none of these programs.
    """
    name, mode = Mode.parse(target, ())
    if not re.fullmatch(r"\d{1,2}", name):
        raise SourceError(f"a CSI camera is a number, as in csi:0, got {name!r}")
    size, rate = mode.size or _USUAL, mode.rate or 30.0
    if size.width % _STEP or size.height % 2:
        raise SourceError(
            f"csi:{target}: the width must be a multiple of {_STEP} and the height even, "
            f"got {size.width}x{size.height}"
        )

    def connect(stopped: threading.Event) -> Program:
        command, form = _command(int(name), size, rate)

        def decode(pipe: Pipe) -> Iterator[Shot | None]:
            return raw(pipe, size, form)

        return Program(command, decode, stopped, stall=patience.stall, rate=rate)

    return Live(f"csi:{name}", connect, patience)


def _command(number: int, size: Size, rate: float) -> tuple[list[str], PixelFormat]:
    for program in ("rpicam-vid", "libcamera-vid"):
        if shutil.which(program):
            options = {
                "--camera": number,
                "--width": size.width,
                "--height": size.height,
                "--framerate": f"{rate:g}",
                "--codec": "yuv420",
                "--timeout": 0,
                "--output": "-",
            }
            words = [str(word) for pair in options.items() for word in pair]
            return [program, "--nopreview", *words], "I420"
    if shutil.which("gst-launch-1.0"):
        what = f"width={size.width},height={size.height},format=NV12"
        each = f"framerate={round(rate * 1000)}/1000"
        elements = (
            f"nvarguscamerasrc sensor-id={number}",
            f"video/x-raw(memory:NVMM),{what},{each}",
            "nvvidconv",
            f"video/x-raw,{what}",
            "fdsink fd=1 sync=false",
        )
        words = [word for element in elements for word in (*element.split(), "!")][:-1]
        return ["gst-launch-1.0", "--quiet", *words], "NV12"
    raise SourceError(
        f"csi:{number}: neither rpicam-vid, libcamera-vid nor gst-launch-1.0 is there; "
        "on Raspberry Pi OS: sudo apt-get install -y rpicam-apps"
    )
