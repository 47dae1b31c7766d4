"""A camera on the CSI connector of a Raspberry Pi (libcamera) or a Jetson (Argus)."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from importlib.util import find_spec

from edge.errors import SourceError
from edge.io.sources.live import DEFAULT_RECONNECT, Device, Live, RawFrame, ReconnectPolicy
from edge.io.sources.mode import Mode
from edge.io.sources.picamera import Picamera
from edge.io.sources.pipe import Pipe
from edge.io.sources.program import Program
from edge.io.sources.wire import raw
from edge.types import PixelFormat, Size

_USUAL = Size(480, 640)
_STEP = 64  # pixels: rows of another width come with padding that a pipe does not tell


def open_source(target: str, reconnect: ReconnectPolicy = DEFAULT_RECONNECT) -> Live:
    """The camera of a number, as in `csi:0`; options as in `0?size=1280x720&fps=30`.

    `rpicam-vid` or `libcamera-vid` runs it, else picamera2, both in I420; on a Jetson
    `gst-launch-1.0` with `nvarguscamerasrc`, in NV12. Neither is converted.

    Raises:
        SourceError: There is no such camera, or nothing that could run it.
    """
    name, mode = Mode.parse(target, ())
    if not re.fullmatch(r"\d{1,2}", name):
        raise SourceError(f"a CSI camera is a number, as in csi:0, got {name!r}")
    number, size, rate = int(name), mode.size or _USUAL, mode.rate or 30.0
    if size.width % 2 or size.height % 2:
        raise SourceError(f"csi:{target}: width and height must be even, got {_text(size)}")

    def connect(stopped: threading.Event) -> Device:
        if (words := _vid(number, size, rate)) is not None:
            return piped(words, "I420", stopped)
        if find_spec("picamera2") is not None:
            return Picamera(number, size, rate, stopped, stall=reconnect.stall)
        if (words := _gst(number, size, rate)) is not None:
            return piped(words, "NV12", stopped)
        raise SourceError(
            f"csi:{name}: neither rpicam-vid, libcamera-vid nor gst-launch-1.0 is there, and this "
            "Python has no picamera2; on Raspberry Pi OS: sudo apt-get install -y rpicam-apps"
        )

    def piped(words: list[str], form: PixelFormat, stopped: threading.Event) -> Program:
        if size.width % _STEP:
            raise SourceError(
                f"csi:{target}: {words[0]} needs a width that is a multiple of {_STEP}, "
                f"got {_text(size)}"
            )

        def decode(pipe: Pipe) -> Iterator[RawFrame | None]:
            return raw(pipe, size, form)

        return Program(words, decode, stopped, stall=reconnect.stall, rate=rate)

    return Live(f"csi:{name}", connect, reconnect)


def _vid(number: int, size: Size, rate: float) -> list[str] | None:
    program = next(filter(shutil.which, ("rpicam-vid", "libcamera-vid")), None)
    if program is None:
        return None
    options = {
        "--camera": number,
        "--width": size.width,
        "--height": size.height,
        "--framerate": f"{rate:g}",
        "--codec": "yuv420",
        "--timeout": 0,
        "--output": "-",
    }
    return [program, "--nopreview", *(str(word) for pair in options.items() for word in pair)]


def _gst(number: int, size: Size, rate: float) -> list[str] | None:
    if shutil.which("gst-launch-1.0") is None:
        return None
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
    return ["gst-launch-1.0", "--quiet", *words]


def _text(size: Size) -> str:
    return f"{size.width}x{size.height}"
