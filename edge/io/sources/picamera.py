"""A CSI camera through picamera2, which Raspberry Pi OS installs for the system's Python."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

from edge.errors import SourceError
from edge.io.sources.live import RawFrame
from edge.io.sources.wire import plane_shapes
from edge.types import Size, UInt8Array

_LOOK = 0.1  # seconds between two looks at whether anybody still waits


class Picamera:
    """A camera that picamera2 runs, in I420 as libcamera gives it, timed by the sensor.

    Args:
        number: Of the camera, from 0.
        size: Of the image, even; libcamera may give another that is near.
        rate: Frames per second to ask for.
        stopped: Ends a wait when set.
        stall: Seconds without an image after which it counts as lost.

    Raises:
        SourceError: picamera2 cannot be imported, or there is no such camera, or it is in use.
    """

    ends = False

    def __init__(
        self, number: int, size: Size, rate: float, stopped: threading.Event, *, stall: float
    ) -> None:
        self.rate: float | None = rate
        self._name = f"csi:{number}"
        self._stopped, self._stall = stopped, stall
        self._newest: Any = None  # the last finished request, unless it was read
        self._changed = threading.Condition()
        picamera2, libcamera = _modules()
        known = picamera2.Picamera2.global_camera_info()
        if number >= len(known):
            there = ", ".join(f"csi:{i} ({c.get('Model')})" for i, c in enumerate(known)) or "none"
            raise SourceError(f"{self._name}: libcamera knows no such camera; there is {there}")
        try:
            self._camera = picamera2.Picamera2(number)
        except (RuntimeError, IndexError) as error:
            raise SourceError(f"{self._name}: picamera2: {error}") from error
        try:
            self._begin(libcamera, size, rate)
        except BaseException as error:
            self.close()
            if isinstance(error, RuntimeError):
                raise SourceError(f"{self._name}: picamera2: {error}") from error
            raise

    def _begin(self, libcamera: ModuleType, size: Size, rate: float) -> None:
        period = round(1e6 / rate)
        self._camera.configure(
            self._camera.create_video_configuration(
                main={"format": "YUV420", "size": (size.width, size.height)},
                controls={"FrameDurationLimits": (period, period)},
                color_space=libcamera.ColorSpace.Smpte170m(),  # what the letterbox expects
            )
        )
        form = self._camera.camera_configuration()["main"]
        if form["format"] != "YUV420":
            raise SourceError(f"{self._name}: asked for YUV420, libcamera gives {form['format']}")
        width, height = form["size"]
        self._size, self._stride = Size(height, width), int(form["stride"])
        # Not `capture_request`: one that is never served would stand in the way of `stop`.
        self._camera.pre_callback = self._finished
        self._camera.start()

    def read(self) -> RawFrame | None:
        """The newest image that was not read yet.

        Raises:
            SourceError: There is none.
        """
        request = self._wait()
        try:
            data: UInt8Array = request.make_buffer("main")
            taken = request.get_metadata().get("SensorTimestamp")
        finally:
            request.release()
        return RawFrame(self._planes(data), "I420", _monotonic(taken))

    def close(self) -> None:
        """Stop and release the camera, as far as one that is gone can be."""
        for release in (self._camera.stop, partial(self._keep, None), self._camera.close):
            with suppress(RuntimeError):
                release()

    def _finished(self, request: Any) -> None:
        """Called by picamera2 with each image, in its thread."""
        request.acquire()  # else the camera overwrites it after this call
        self._keep(request)

    def _keep(self, request: Any) -> None:
        with self._changed:
            before, self._newest = self._newest, request
            self._changed.notify()
        if before is not None:
            before.release()

    def _wait(self) -> Any:
        since = time.monotonic()
        with self._changed:
            while self._newest is None:
                if self._stopped.is_set():
                    raise SourceError(f"{self._name}: stopped")
                if time.monotonic() - since > self._stall:
                    raise SourceError(f"{self._name}: no frame for {self._stall:g} s")
                self._changed.wait(_LOOK)
            request, self._newest = self._newest, None
            return request

    def _planes(self, data: UInt8Array) -> tuple[UInt8Array, ...]:
        """Views without the padding at the end of each row."""
        planes, start = [], 0
        for (height, width), stride in zip(
            plane_shapes(self._size, "I420"),
            (self._stride, self._stride // 2, self._stride // 2),
            strict=True,
        ):
            rows = data[start : start + height * stride].reshape(height, stride)
            planes.append(rows[:, :width])
            start += height * stride
        return tuple(planes)


def _modules() -> tuple[ModuleType, ModuleType]:
    try:
        import libcamera
        import picamera2
    except Exception as error:  # also what a NumPy that is too new for it raises
        raise SourceError(
            f"picamera2 is installed but cannot be imported ({type(error).__name__}: {error}); "
            "rpicam-vid does without it: sudo apt-get install -y rpicam-apps"
        ) from error
    return picamera2, libcamera


def _monotonic(nanoseconds: int | None) -> float:
    """A sensor's time, which is that of CLOCK_BOOTTIME: it goes on while the machine sleeps."""
    now = time.monotonic()
    if nanoseconds is None:
        return now
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - nanoseconds / 1e9
    return now - max(age, 0.0)
