"""A camera that the system knows as /dev/videoN: USB, mostly."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from edge.errors import SourceError
from edge.io.sources.live import DEFAULT_RECONNECT, Live, ReconnectPolicy
from edge.io.sources.mode import Mode
from edge.io.sources.v4l2 import FORMATS, Capture

ROOT = Path("/")

_NAMES = r"\d{1,4}|/dev/(video\d{1,4}|v4l/by-(id|path)/[^/]+)|[\w.:+-]{3,}"


def open_source(
    target: str,
    reconnect: ReconnectPolicy = DEFAULT_RECONNECT,
    *,
    root: Path = ROOT,
) -> Live:
    """The camera of an index ("0"), a device file, a serial number or a name in /dev/v4l/by-id.

    Options may follow, as in `0?size=1280x720&fps=30&format=MJPG`. Once a camera was found, it is
    found again by its serial number, whatever node it gets when it is plugged in again.

    Raises:
        SourceError: There is no such camera, it may not be used, or it does not open.
        NotInstalledError: It gives JPEG only, and OpenCV is not installed.
    """
    name, mode = Mode.parse(target, tuple(FORMATS))
    locator = DeviceLocator(name, root)

    def connect(stopped: threading.Event) -> Capture:
        return Capture(locator.find(), mode, stopped, stall=reconnect.stall)

    address = f"/dev/video{name}" if name.isdecimal() else name
    return Live(address, connect, reconnect)


class DeviceLocator:
    """Where a camera is.

    Args:
        name: An index, a path below /dev, a serial number, or a name in /dev/v4l/by-id.
        root: Where the kernel's files are.

    Raises:
        SourceError: It is none of these.
    """

    def __init__(self, name: str, root: Path = ROOT) -> None:
        if not re.fullmatch(_NAMES, name):
            raise SourceError(
                f"a camera is an index, /dev/videoN, a serial number or a name in /dev/v4l/by-id, "
                f"got {name!r}"
            )
        self._name = name
        self._root = root
        self._serial: tuple[str, str] | None = None

    def find(self) -> Path:
        """The node, looked up now.

        Raises:
            SourceError: It is not there, or may not be used.
        """
        node = self._again() or self._first()
        if not os.access(node, os.R_OK | os.W_OK):
            raise SourceError(
                f"camera {self._name}: no permission to use {node}; "
                "sudo usermod -aG video $USER, then log in again"
            )
        self._serial = self._identity(node)
        return node

    def _again(self) -> Path | None:
        if self._serial is None:
            return None
        return next((n for n in self._nodes() if self._identity(n) == self._serial), None)

    def _first(self) -> Path:
        name = self._name
        if match := re.fullmatch(r"(?:/dev/video)?(\d{1,4})", name):
            node = self._root / f"dev/video{match[1]}"
            if node.exists():
                return node
            there = ", ".join(map(str, self._nodes())) or "no /dev/video* at all"
            raise SourceError(f"camera {match[1]}: no {node}; there is {there}")
        by_id = self._root / "dev/v4l/by-id"
        path = self._root / name.lstrip("/") if name.startswith("/") else by_id / name
        if path.exists():
            return path.resolve()
        serials = {node: self._identity(node) for node in self._nodes()}
        for node, serial in serials.items():
            if serial is not None and serial[0] == name:
                return node
        known = sorted({serial[0] for serial in serials.values() if serial is not None})
        named = sorted(path.name for path in by_id.glob("*"))
        there = ", ".join([*known, *named]) or "none"
        raise SourceError(f"camera {name}: no such serial number or name; there is {there}")

    def _nodes(self) -> list[Path]:
        nodes = (self._root / "dev").glob("video*")
        return sorted(
            (node for node in nodes if node.name[5:].isdigit()), key=lambda node: int(node.name[5:])
        )

    def _identity(self, node: Path) -> tuple[str, str] | None:
        """Serial number of the USB device, and which of its nodes this is; None without one."""
        folder = self._root / "sys/class/video4linux" / node.name
        try:
            index = (folder / "index").read_text().strip()
            device = (folder / "device").resolve(strict=True)
            serial = (device.parent / "serial").read_text().strip()
        except OSError:
            return None
        return (serial, index) if serial else None
