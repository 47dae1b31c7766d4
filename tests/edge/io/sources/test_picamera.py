"""picamera2, by a module that behaves as the real one does where it is used: a thread that calls
back with requests out of few buffers, counted references, padded rows, one owner at a time.
"""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np
import pytest

from edge.errors import SourceError
from edge.io.sources import open_source
from edge.io.sources.live import ReconnectPolicy
from edge.types import Event, Frame

SOON = ReconnectPolicy(stall=3.0, first=0.01, max_pause=0.02)

LIBCAMERA = """
class ColorSpace:
    @staticmethod
    def Smpte170m():
        return "Smpte170m"
"""
PICAMERA2 = """
import threading, time
import numpy as np

CAMERAS = [{"Model": "imx708", "Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Location": 2}]
plans = []  # for each camera opened: images that it gives before it falls silent
opened = []  # all cameras ever
in_use = set()

class CompletedRequest:
    def __init__(self, camera, number):
        self.camera, self.number, self.ref_count, self.lock = camera, number, 1, threading.Lock()
        form = camera.camera_configuration()["main"]
        height, stride = form["size"][1], form["stride"]
        luma = np.full((height, stride), 255, np.uint8)
        luma[:, : form["size"][0]] = 1 + number % 200
        chroma = np.full((2, height // 2, stride // 2), 255, np.uint8)
        chroma[0, :, : form["size"][0] // 2] = number // 200
        chroma[1, :, : form["size"][0] // 2] = 160
        self.data = np.concatenate([luma.ravel(), chroma.ravel()])
        self.taken = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - camera.delay

    def acquire(self):
        with self.lock:
            if self.ref_count == 0:
                raise RuntimeError("CompletedRequest: acquiring lock with ref_count 0")
            self.ref_count += 1

    def release(self):
        with self.lock:
            self.ref_count -= 1
            if self.ref_count < 0:
                raise RuntimeError("CompletedRequest: lock now has negative ref_count")
            if self.ref_count == 0:
                self.data[:] = 0  # the camera writes into it again
                self.camera.free.release()

    def make_buffer(self, name):
        assert self.ref_count > 0 and name == "main"
        return self.data.copy()

    def get_metadata(self):
        return {"SensorTimestamp": self.taken, "ExposureTime": 9985, "FrameDuration": 33333}

class Picamera2:
    delay = 0

    @staticmethod
    def global_camera_info():
        return CAMERAS

    def __init__(self, camera_num=0, verbose_console=None, tuning=None):
        if camera_num in in_use:  # libcamera: Pipeline handler in use by another process
            raise RuntimeError("Camera __init__ sequence did not complete.")
        in_use.add(camera_num)
        opened.append(self)
        self.number, self.config, self.pre_callback, self.started = camera_num, None, None, False
        self.is_open, self.problems, self.requests = True, [], []
        self.ended = threading.Event()

    def create_video_configuration(
        self, main={}, lores=None, raw={}, transform=None, color_space=None, buffer_count=6,
        controls={}, display="main", encode="main", queue=True,
    ):
        assert main.keys() <= {"format", "size"}
        return {"main": dict(main), "color_space": color_space, "buffer_count": buffer_count,
                "controls": controls}

    def configure(self, camera_config="preview"):
        width, height = camera_config["main"]["size"]
        if width % 2 or height % 2:
            raise RuntimeError("width and height should be even")
        camera_config["main"]["stride"] = -(-width // 64) * 64
        self.config = camera_config
        self.free = threading.Semaphore(camera_config["buffer_count"])

    def camera_configuration(self):
        return self.config

    def start(self, config=None, show_preview=False):
        self.started = True
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def stop(self):
        if self.started:
            self.ended.set()
            self.thread.join()
            self.started = False

    def close(self):
        if self.is_open:
            self.stop()
            in_use.discard(self.number)
            self.is_open = False

    def _loop(self):
        for number in range(plans.pop(0) if plans else 10**9):
            if self.ended.wait(0.005) or not self.free.acquire(timeout=1):
                break
            request = CompletedRequest(self, number)
            self.requests.append(request)
            try:
                self.pre_callback(request)
            except BaseException as error:
                self.problems.append(error)
            request.release()
        self.ended.wait()
"""


@pytest.fixture
def picamera2(tmp_path, monkeypatch):
    """Such a module, alone: no program is on PATH."""
    (tmp_path / "picamera2.py").write_text(PICAMERA2)
    (tmp_path / "libcamera.py").write_text(LIBCAMERA)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("picamera2", "libcamera"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import picamera2

    yield picamera2
    for camera in picamera2.opened:
        assert not camera.is_open
        assert camera.problems == []
        assert [request.ref_count for request in camera.requests if request.ref_count] == []
    for name in ("picamera2", "libcamera"):
        sys.modules.pop(name, None)


def number(frame):
    return 200 * int(frame.planes[1][0, 0]) + int(frame.planes[0][0, 0]) - 1


def watch(source, count):
    items = list(itertools.islice(source, count))
    source.stop()
    source.close()
    return [item for item in items if isinstance(item, Frame)], [
        item for item in items if isinstance(item, Event)
    ]


def until_finished(count, picamera2):
    end = time.monotonic() + 60
    while len(picamera2.opened[0].requests) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_images_come_as_they_are_without_the_padding_of_their_rows(picamera2):
    frames, events = watch(open_source("csi:0?size=100x64&fps=20", SOON), 40)
    assert [event.name for event in events] == ["connecting", "connected"]
    (camera,) = picamera2.opened
    assert camera.config["main"] == {"format": "YUV420", "size": (100, 64), "stride": 128}
    assert camera.config["controls"] == {"FrameDurationLimits": (50000, 50000)}
    assert camera.config["color_space"] == "Smpte170m"
    assert len(frames) == 38
    numbers = []
    for frame in frames:
        assert (frame.format, str(frame.size), frame.source) == ("I420", "64x100", "csi:0")
        assert [plane.shape for plane in frame.planes] == [(64, 100), (32, 50), (32, 50)]
        assert np.ptp(frame.planes[0]) == np.ptp(frame.planes[1]) == 0
        assert np.all(frame.planes[2] == 160)
        numbers.append(number(frame))
    assert numbers[0] >= 0  # else it was overwritten
    assert numbers == sorted(set(numbers))


def test_what_is_not_read_in_time_is_overtaken_and_goes_back_to_the_camera(picamera2):
    source = open_source("csi:0?size=64x64", SOON)
    until_finished(20, picamera2)  # far more than there are buffers
    frames, _ = watch(source, 3)
    assert number(frames[0]) >= 18


def test_what_was_not_read_at_the_end_goes_back_too(picamera2):
    source = open_source("csi:0?size=64x64", SOON)
    until_finished(2, picamera2)
    source.close()


def test_an_image_has_the_time_of_the_sensor(picamera2):
    picamera2.Picamera2.delay = 3_000_000_000
    frames, _ = watch(open_source("csi:0?size=64x64", SOON), 4)
    assert all(time.monotonic() - frame.captured > 2.99 for frame in frames)


def test_a_camera_that_falls_silent_is_opened_again(picamera2):
    picamera2.plans += [3, 2]
    frames, events = watch(
        open_source("csi:0?size=64x64", ReconnectPolicy(stall=1.0, first=0.01, max_pause=0.02)), 40
    )
    assert len(picamera2.opened) >= 3
    lost = [event.reason for event in events if event.name == "lost"]
    assert lost[:2] == ["csi:0: no frame for 1 s"] * 2
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_another_camera_than_there_is_is_named(picamera2):
    with pytest.raises(SourceError, match=r"csi:1: .* no such camera; there is csi:0 \(imx708\)"):
        open_source("csi:1")
    picamera2.CAMERAS.clear()
    with pytest.raises(SourceError, match=r"csi:0: .* no such camera; there is none"):
        open_source("csi:0")


def test_a_camera_that_another_program_has_is_an_error(picamera2):
    picamera2.in_use.add(0)
    with pytest.raises(SourceError, match=r"csi:0: picamera2: Camera __init__ sequence did not"):
        open_source("csi:0")


def test_a_configuration_that_is_refused_leaves_the_camera_to_others(picamera2, monkeypatch):
    def refuse(self, config):
        raise RuntimeError("Failed to allocate buffers.")

    monkeypatch.setattr(picamera2.Picamera2, "configure", refuse)
    with pytest.raises(SourceError, match="csi:0: picamera2: Failed to allocate buffers"):
        open_source("csi:0")
    assert picamera2.in_use == set()


def test_a_camera_that_cannot_be_stopped_is_released_all_the_same(picamera2, monkeypatch):
    stop, raised = picamera2.Picamera2.stop, []

    def gone(self):
        stop(self)
        if not raised:
            raised.append(self)
            raise RuntimeError("Camera frontend has timed out!")

    monkeypatch.setattr(picamera2.Picamera2, "stop", gone)
    source = open_source("csi:0?size=64x64", SOON)
    until_finished(2, picamera2)
    source.close()
    assert raised == picamera2.opened
    assert picamera2.in_use == set()


def test_a_picamera2_that_cannot_be_imported_says_why(tmp_path, monkeypatch):
    (tmp_path / "picamera2.py").write_text(
        'raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")'
    )
    (tmp_path / "libcamera.py").write_text(LIBCAMERA)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"numpy.dtype size changed.*install -y rpicam-apps"):
        open_source("csi:0")
    sys.modules.pop("libcamera", None)


def test_a_program_goes_first(picamera2, tmp_path):
    program = tmp_path / "rpicam-vid"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    with pytest.raises(SourceError, match="rpicam-vid ended with status 7"):
        list(open_source("csi:0", ReconnectPolicy(reconnect="never")))
    assert picamera2.opened == []


def test_on_a_pi_without_either_both_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceError, match=r"rpicam-vid.*no picamera2.*rpicam-apps"):
        open_source("csi:0")
