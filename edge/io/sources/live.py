"""Cameras and streams that go away and come back, as one state machine.

    connecting ──first frame──> connected ──error, end or silence──> lost
        ^  └────────no frame────────┐                                 │
        └────────────────────── waiting <─────────────────────────────┘

Only a frame makes it "connected": drivers and servers accept what they cannot serve.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from edge.errors import SourceError
from edge.types import Event, Failure, Frame, PixelFormat, UInt8Array

Reconnect: TypeAlias = Literal["never", "lost", "always"]

_USUAL_RATE = 30.0
_STEADY = 10.0  # seconds of frames after which a connection counts as good again


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """How long a camera is waited for.

    Attributes:
        reconnect: "lost": it must be there at first, and is waited for without end when it goes;
            "always": it need not be there at first; "never": when it goes, that is an error.
        stall: Seconds without a frame after which it counts as lost.
        first: Seconds before it is tried again; twice as long after each failure.
        max_pause: Seconds up to which that grows.
    """

    reconnect: Reconnect = "lost"
    stall: float = 5.0
    first: float = 0.5
    max_pause: float = 30.0

    def pause(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures in a row.

        The upper half is up to chance, from 0 to 1: cameras that were lost together, as with
        their switch, do not come back together.
        """
        return min(self.max_pause, self.first * 2.0 ** min(failures - 1, 30)) * (0.5 + chance / 2)


DEFAULT_RECONNECT = ReconnectPolicy()


@dataclass(frozen=True, slots=True)
class RawFrame:
    """An image as a device gave it; the attributes are those of `Frame`."""

    planes: tuple[UInt8Array, ...]
    format: PixelFormat
    captured: float


class Device(Protocol):
    """An open camera or stream."""

    @property
    def rate(self) -> float | None:
        """Nominal frames per second, where that is known."""

    @property
    def ends(self) -> bool:
        """Whether it is a recording, whose end is no loss."""

    def read(self) -> RawFrame | None:
        """The next image, waited for; None for one that arrived damaged.

        Raises:
            SourceError: There is none, within `ReconnectPolicy.stall`.
        """

    def close(self) -> None:
        """Release it. Safe to call twice."""


class Live:
    """A camera or stream that is connected to again when it is lost.

    Args:
        address: For frames and events, without a password.
        connect: Opens the device; asked again for each attempt, so that it may look where the
            device is now. Its argument is set when nobody waits any more.
        reconnect: How long to wait for it.

    Raises:
        SourceError: It cannot be opened, unless it is waited for always.
    """

    count = None
    files: tuple[Path, ...] = ()

    def __init__(
        self,
        address: str,
        connect: Callable[[threading.Event], Device],
        reconnect: ReconnectPolicy = DEFAULT_RECONNECT,
    ) -> None:
        self._address = address
        self._connect = connect
        self._reconnect = reconnect
        self._stopped = threading.Event()
        self._device: Device | None = None
        self._index = 0
        self.rate = _USUAL_RATE
        self.live = True
        if reconnect.reconnect != "always":
            self._open()

    def __iter__(self) -> Iterator[Frame | Failure | Event]:
        """Frames in Unix time, failures for damaged ones, and an event for each change.

        Raises:
            SourceError: It is lost, and is not to be waited for.
        """
        failures = 0
        while not self._stopped.is_set():
            yield self._event("connecting")
            since = None
            try:
                device = self._device or self._open()
                for item in self._read(device):
                    if since is None:
                        since = time.monotonic()
                        yield self._event("connected")
                    yield item
            except SourceError as error:
                reason = str(error)
            else:
                return
            if self._stopped.is_set():
                return
            self.close()
            if since is not None:
                yield self._event("lost", reason)
                if time.monotonic() - since >= _STEADY:
                    failures = 0
            if self._gives_up():
                raise SourceError(reason)
            failures += 1
            pause = self._reconnect.pause(failures, random.random())
            yield self._event("waiting", f"{pause:.1f} s, {reason}")
            self._stopped.wait(pause)

    def stop(self) -> None:
        """End the iteration, whatever it waits for."""
        self._stopped.set()

    def close(self) -> None:
        """Release the device."""
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _open(self) -> Device:
        self._device = device = self._connect(self._stopped)
        self.rate = device.rate or _USUAL_RATE
        self.live = not device.ends
        return device

    def _read(self, device: Device) -> Iterator[Frame | Failure]:
        """What a device gives from its first whole image on, until it is stopped or raises."""
        first = self._index
        while not self._stopped.is_set():
            try:
                raw_frame = device.read()
            except SourceError:
                if device.ends and self._index > first:
                    return
                raise
            if raw_frame is not None:
                yield self._frame(raw_frame)
            elif self._index > first:
                yield Failure(self._index, time.time(), self._address, "it arrived damaged")
            else:
                continue  # a stream joined in the middle of an image
            self._index += 1

    def _frame(self, raw_frame: RawFrame) -> Frame:
        at = time.time() - (time.monotonic() - raw_frame.captured)
        return Frame(
            raw_frame.planes, raw_frame.format, self._index, at, self._address, raw_frame.captured
        )

    def _gives_up(self) -> bool:
        if self._reconnect.reconnect == "never":
            return True
        return self._reconnect.reconnect == "lost" and self._index == 0

    def _event(self, name: str, reason: str = "") -> Event:
        return Event(name, self._address, time.time(), reason)
