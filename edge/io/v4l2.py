"""What a /dev/videoN says of itself, asked through the kernel's own interface.

Source: Linux media documentation, V4L2 API: VIDIOC_QUERYCAP, VIDIOC_ENUM_FMT and
VIDIOC_ENUM_FRAMESIZES, and the structures in linux/videodev2.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Ioctl: TypeAlias = Callable[[int, int, bytearray], object]

QUERYCAP = 0x80685600
ENUM_FMT = 0xC0405602
ENUM_FRAMESIZES = 0xC02C564A
CAPTURE, CAPTURE_PLANES, MEMORY_TO_MEMORY, OWN_CAPS = 0x1, 0x1000, 0xC000, 0x80000000
_MOST = 64  # of a list: a driver that never ends it must not hold us


@dataclass(frozen=True, slots=True)
class Format:
    """One way in which a camera gives images.

    Attributes:
        code: Four characters, as in "YUYV" or "MJPG".
        largest: Width and height; None when unknown.
    """

    code: str
    largest: tuple[int, int] | None

    def __str__(self) -> str:
        if self.largest is None:
            return self.code
        return f"{self.code} to {self.largest[0]}x{self.largest[1]}"


@dataclass(frozen=True, slots=True)
class Device:
    """A node.

    Attributes:
        card: Name of the device.
        captures: Whether images come out of it: a camera has other nodes too.
        formats: Of those images.
    """

    card: str
    captures: bool
    formats: tuple[Format, ...]


def query(path: Path, ioctl: Ioctl = fcntl.ioctl) -> Device:
    """Ask a node.

    Args:
        path: Such as /dev/video0.
        ioctl: The system call.

    Raises:
        OSError: It may not be opened, or is no V4L2 device.
    """
    node = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        buffer = bytearray(104)
        ioctl(node, QUERYCAP, buffer)
        _, card, _, _, caps, own = struct.unpack_from("=16s32s32sIII", buffer)
        caps = own if caps & OWN_CAPS else caps
        captures = bool(caps & (CAPTURE | CAPTURE_PLANES)) and not caps & MEMORY_TO_MEMORY
        kind = 1 if caps & CAPTURE else 9
        formats = tuple(_formats(node, kind, ioctl)) if captures else ()
        return Device(card.partition(b"\0")[0].decode(errors="replace"), captures, formats)
    finally:
        os.close(node)


def _formats(node: int, kind: int, ioctl: Ioctl) -> Iterator[Format]:
    for index in range(_MOST):
        buffer = bytearray(struct.pack("=II56x", index, kind))
        try:
            ioctl(node, ENUM_FMT, buffer)
        except OSError:  # past the last
            return
        code = struct.unpack_from("=I", buffer, 44)[0]
        yield Format(
            struct.pack("<I", code & 0x7FFFFFFF).decode("ascii", errors="replace").strip(),
            max(_sizes(node, code, ioctl), key=lambda size: size[0] * size[1], default=None),
        )


def _sizes(node: int, code: int, ioctl: Ioctl) -> Iterator[tuple[int, int]]:
    for index in range(_MOST):
        buffer = bytearray(struct.pack("=II36x", index, code))
        try:
            ioctl(node, ENUM_FRAMESIZES, buffer)
        except OSError:
            return
        kind, first, second, _, _, fifth = struct.unpack_from("=6I", buffer, 8)
        if kind == 1:  # discrete: width, height
            yield first, second
        else:  # min, max and step of the width, then of the height
            yield second, fifth
            return
