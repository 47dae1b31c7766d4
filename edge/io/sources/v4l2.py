"""Images from the kernel's video devices, in the format that the camera has, with its clock.

Not through OpenCV: that gives BGR where the letterbox takes YUYV as it is, waits ten seconds for a
camera that is silent, and does not say which images arrived damaged.

Source: Linux media documentation, V4L2 API, streaming I/O by memory mapping, and the structures in
linux/videodev2.h. The sizes of these depend on the machine's words, hence "@".
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
import struct
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import numpy as np

from edge.errors import SourceError
from edge.io import v4l2
from edge.io.buffers import Buffers
from edge.io.sources.live import RawFrame
from edge.io.sources.mode import Mode
from edge.io.sources.wire import decode_jpeg
from edge.types import PixelFormat, Size, UInt8Array

# The driver's code of a pixel format to ours; None: JPEG. The first that a camera has is taken.
FORMATS: Mapping[str, PixelFormat | None] = MappingProxyType(
    {
        "YUYV": "YUYV",
        "NV12": "NV12",
        "YU12": "I420",
        "BGR3": "BGR",
        "RGB3": "RGB",
        "GREY": "GRAY",  # codespell:ignore
        "MJPG": None,
    }
)

_USB2 = 24e6  # bytes/s that a camera gets through USB 2: beyond, it gives raw images slowly
_BUFFERS = 4
_LOOK = 100  # milliseconds

_CAPTURE, _MMAP, _PROGRESSIVE = 1, 1, 1
_FLAG_ERROR, _CLOCK, _MONOTONIC = 0x40, 0xE000, 0x2000
_TIME_PER_FRAME = 0x1000
_BUFFER = "@5Ill16s2IL3I0L"  # v4l2_buffer; the L is the union, of which `offset` comes first


def _code(number: int, size: int, directions: int) -> int:
    return directions << 30 | size << 16 | ord("V") << 8 | number


_HEAD = struct.calcsize("@I0L")  # v4l2_format: its union holds pointers
_S_FMT = _code(5, _HEAD + 200, 3)
_REQBUFS = _code(8, 20, 3)
_QUERYBUF = _code(9, struct.calcsize(_BUFFER), 3)
_QBUF = _code(15, struct.calcsize(_BUFFER), 3)
_DQBUF = _code(17, struct.calcsize(_BUFFER), 3)
_STREAMON = _code(18, 4, 1)
_STREAMOFF = _code(19, 4, 1)
_S_PARM = _code(22, 204, 3)


class Capture:
    """A video device that streams.

    Args:
        node: Such as /dev/video0.
        mode: Wanted; the driver gives what is nearest. A format is given as asked for or refused.
        stopped: Ends a wait when set.
        stall: Seconds without an image after which it counts as lost.

    Raises:
        SourceError: It cannot be opened, or gives no images that are understood.
    """

    ends = False

    def __init__(self, node: Path, mode: Mode, stopped: threading.Event, *, stall: float) -> None:
        self._node = node
        self._stopped = stopped
        self._stall = stall
        self._memory: list[mmap.mmap] = []
        self._pool = Buffers()
        try:
            device = v4l2.query(node)
            if not device.captures:
                raise SourceError(f"{node} ({device.card}) is not the node that captures")
            code = _choose(node, mode, [form.code for form in device.formats])
            self._fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._error(error) from error
        try:
            self._set_format(code, mode.size or Size(480, 640))
            self.rate = self._set_rate(mode.rate or 30.0)
            self._map()
            self._ioctl(_STREAMON, bytearray(struct.pack("@i", _CAPTURE)))
        except OSError as error:
            self.close()
            raise self._error(error) from error
        except BaseException:
            self.close()
            raise

    def read(self) -> RawFrame | None:
        """The next image; None for one that the driver or its size calls damaged.

        Raises:
            SourceError: The device is gone or silent.
        """
        self._wait()
        buffer = bytearray(struct.calcsize(_BUFFER))
        struct.pack_into("@2I", buffer, 0, 0, _CAPTURE)
        struct.pack_into("@I", buffer, struct.calcsize("@5Ill16sI"), _MMAP)
        try:
            self._ioctl(_DQBUF, buffer)
            index, _, used, flags, _, seconds, micros, *_ = struct.unpack(_BUFFER, buffer)
            try:
                if flags & _FLAG_ERROR:
                    return None
                on_clock = flags & _CLOCK == _MONOTONIC
                captured = seconds + micros / 1e6 if on_clock else time.monotonic()
                return self._shot(np.frombuffer(self._memory[index], np.uint8, used), captured)
            finally:
                self._ioctl(_QBUF, buffer)
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Stop and release the device."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        with suppress(OSError):
            fcntl.ioctl(fd, _STREAMOFF, struct.pack("@i", _CAPTURE))
        for memory in self._memory:
            with suppress(BufferError):  # an error under way still holds a view; it goes with that
                memory.close()
        self._memory.clear()
        os.close(fd)

    def _wait(self) -> None:
        poll, since = select.poll(), time.monotonic()
        poll.register(self._fd, select.POLLIN)
        while not self._stopped.is_set():
            if poll.poll(_LOOK):
                return
            if time.monotonic() - since > self._stall:
                raise SourceError(f"{self._node}: no frame for {self._stall:g} s")
        raise SourceError(f"{self._node}: stopped")

    def _set_format(self, code: str, size: Size) -> None:
        asked = struct.pack(
            "@4I", size.width, size.height, struct.unpack("<I", code.encode())[0], _PROGRESSIVE
        )
        form = bytearray(struct.pack("@I0L", _CAPTURE) + asked.ljust(200, b"\0"))
        self._ioctl(_S_FMT, form)
        width, height, pixels, _, stride = struct.unpack_from("@5I", form, _HEAD)
        got = struct.pack("<I", pixels).decode("ascii", "replace")
        if got not in FORMATS or (got != code):
            raise SourceError(f"{self._node}: asked for {code}, the driver gives {got}")
        self._format, self._size, self._stride = FORMATS[code], Size(height, width), stride

    def _set_rate(self, rate: float) -> float | None:
        """Ask for a rate; returns what the driver says that it gives."""
        asked = bytearray(struct.pack("@I", _CAPTURE).ljust(204, b"\0"))
        struct.pack_into("@4I", asked, 4, _TIME_PER_FRAME, 0, 1000, round(rate * 1000))
        try:
            self._ioctl(_S_PARM, asked)
        except OSError:  # there are cameras of one rate
            return None
        above, below = struct.unpack_from("@2I", asked, 12)
        return below / above if above and below else None

    def _map(self) -> None:
        asked = bytearray(struct.pack("@3I", _BUFFERS, _CAPTURE, _MMAP).ljust(20, b"\0"))
        self._ioctl(_REQBUFS, asked)
        for index in range(struct.unpack_from("@I", asked)[0]):
            place = bytearray(struct.calcsize(_BUFFER))
            struct.pack_into("@2I", place, 0, index, _CAPTURE)
            self._ioctl(_QUERYBUF, place)
            union = struct.calcsize("@5Ill16s2I0L")
            (offset,) = struct.unpack_from("@I", place, union)
            (length,) = struct.unpack_from("@I", place, union + struct.calcsize("@L"))
            self._memory.append(mmap.mmap(self._fd, length, offset=offset))
            self._ioctl(_QBUF, place)

    def _shot(self, data: UInt8Array, captured: float) -> RawFrame | None:
        """A copy of what the driver gave, whose memory it takes back."""
        if self._format is None:
            image = decode_jpeg(data)
            return None if image is None else RawFrame((image,), "BGR", captured)
        height, width, stride = self._size.height, self._size.width, self._stride
        bytes_wide = {"BGR": 3, "RGB": 3, "YUYV": 2}.get(self._format, 1)
        # Rows, columns in bytes, bytes from row to row, and the last axis of each plane.
        plans = [(height, width * bytes_wide, stride, bytes_wide)]
        if self._format == "NV12":
            plans.append((height // 2, width, stride, 2))
        elif self._format == "I420":
            plans += [(height // 2, width // 2, stride // 2, 1)] * 2
        planes, start = [], 0
        for rows, columns, step, last in plans:
            if start + rows * step > len(data):
                return None
            given = data[start : start + rows * step].reshape(rows, step)[:, :columns]
            shape = (rows, columns) if last == 1 else (rows, columns // last, last)
            plane = self._pool.take(shape)
            plane.reshape(rows, columns)[:] = given
            planes.append(plane)
            start += rows * step
        return RawFrame(tuple(planes), self._format, captured)

    def _ioctl(self, request: int, argument: bytearray) -> None:
        fcntl.ioctl(self._fd, request, argument)

    def _error(self, error: OSError) -> SourceError:
        why = error.strerror or str(error)
        if error.errno == errno.EBUSY:
            why += "; another program holds it"
        elif error.errno in (errno.ENODEV, errno.ENXIO):
            why += "; it is unplugged"
        return SourceError(f"{self._node}: {why}")


def _choose(node: Path, mode: Mode, offered: list[str]) -> str:
    if mode.format is not None:
        if mode.format not in offered:
            raise SourceError(f"{node}: has no {mode.format}; it has {', '.join(offered)}")
        return mode.format
    size, rate = mode.size or Size(480, 640), mode.rate or 30.0
    if "MJPG" in offered and size.height * size.width * 2 * rate > _USB2:
        return "MJPG"
    for code in FORMATS:
        if code in offered:
            return code
    raise SourceError(
        f"{node}: gives {', '.join(offered) or 'no format'}; wanted one of {', '.join(FORMATS)}"
    )
