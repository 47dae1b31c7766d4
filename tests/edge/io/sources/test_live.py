"""The state machine of `live`, on a clock of its own: what is waited for, and how long."""

from __future__ import annotations

import types

import numpy as np
import pytest

from edge.errors import SourceError
from edge.io.sources import live
from edge.io.sources.live import Live, RawFrame, ReconnectPolicy
from edge.types import Frame


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self):
        self.now = 1000.0
        self.waited = []

    def monotonic(self):
        return self.now

    time = monotonic

    def wait(self, seconds):
        self.waited.append(seconds)
        self.now += seconds
        return False


class Camera:
    """A device that gives so many frames, one every `every` seconds, and is gone then."""

    rate = None

    def __init__(self, clock, frames, *, every=1.0, ends=False):
        self.clock, self.left, self.every, self.ends = clock, frames, every, ends

    def read(self):
        if self.left == 0:
            raise SourceError("gone")
        self.left -= 1
        self.clock.now += self.every
        return RawFrame((np.zeros((2, 2), np.uint8),), "GRAY", self.clock.now)

    def close(self):
        pass


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live, "time", types.SimpleNamespace(
        monotonic=clock.monotonic, time=clock.time
    ))  # fmt: skip
    monkeypatch.setattr(live.random, "random", lambda: 1.0)  # the whole pause
    return clock


def watched(clock, cameras, policy, *, pauses):
    """What a source says until it has waited so often; a connection is a camera or an error."""
    left = list(cameras)

    def connect(_stopped):
        camera = left.pop(0) if left else SourceError("no answer")
        if isinstance(camera, SourceError):
            raise camera
        return camera

    source = Live("usb:0", connect, policy)
    source._stopped.wait = lambda seconds: (
        clock.wait(seconds),
        len(clock.waited) == pauses and source.stop(),
    )
    return list(source)


def names(items):
    return ["frame" if isinstance(item, Frame) else item.name for item in items]


def test_pauses_double_up_to_their_maximum(clock):
    policy = ReconnectPolicy(first=0.5, max_pause=3.0)
    items = watched(clock, [Camera(clock, 1)], policy, pauses=6)
    assert clock.waited == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]
    assert names(items)[:4] == ["connecting", "connected", "frame", "lost"]


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_no_pause_exceeds_the_maximum_nor_falls_below_half_of_it(chance):
    policy = ReconnectPolicy(first=0.5, max_pause=3.0)
    pauses = [policy.pause(failures, chance) for failures in range(1, 100)]
    assert max(pauses) <= 3.0
    assert pauses[10:] == [1.5 + 1.5 * chance] * 89


def test_a_steady_connection_starts_the_pauses_again(clock):
    cameras = [Camera(clock, 2), SourceError("busy"), Camera(clock, 11), SourceError("busy")]
    watched(clock, cameras, ReconnectPolicy(first=1.0), pauses=4)
    assert clock.waited == [1.0, 2.0, 1.0, 2.0]  # 10 s of frames: good again


def test_a_connection_that_soon_breaks_does_not(clock):
    cameras = [Camera(clock, 2), Camera(clock, 2), Camera(clock, 10), Camera(clock, 2)]
    watched(clock, cameras, ReconnectPolicy(first=1.0), pauses=4)
    assert clock.waited == [1.0, 2.0, 4.0, 8.0]


def test_what_never_gave_a_frame_is_an_error_unless_it_is_always_waited_for(clock):
    with pytest.raises(SourceError, match="gone"):
        watched(clock, [Camera(clock, 0)], ReconnectPolicy(), pauses=1)
    items = watched(clock, [Camera(clock, 0)], ReconnectPolicy("always", first=1.0), pauses=2)
    assert "connected" not in names(items)
    assert clock.waited == [1.0, 2.0]


def test_the_end_of_a_recording_is_no_loss(clock):
    items = watched(clock, [Camera(clock, 3, ends=True)], ReconnectPolicy(), pauses=1)
    assert names(items) == ["connecting", "connected", "frame", "frame", "frame"]
    assert clock.waited == []


def test_a_recording_without_a_frame_is_an_error(clock):
    with pytest.raises(SourceError, match="gone"):
        watched(clock, [Camera(clock, 0, ends=True)], ReconnectPolicy(), pauses=1)
