"""CSI cameras, by programs that speak as the real ones do and stand in their place on PATH."""

from __future__ import annotations

import itertools
import json
import os
import sys

import numpy as np
import pytest

from edge.errors import SourceError
from edge.io.draw import bgr
from edge.io.sources import open_source
from edge.io.sources.live import ReconnectPolicy
from edge.types import Event, Frame

# A program may take seconds to start on a machine with other work: silence is longer than that.
SOON = ReconnectPolicy(stall=6.0, first=0.01, max_pause=0.02)

# Writes frames of one color, brighter each time, in the form that its arguments ask for, and as
# the real ones does, talks to standard error all the while.
PROGRAM = """#!{python}
import json, os, re, sys, time
words = sys.argv[1:]
state = {state!r}
runs = len(open(state).readlines()) if os.path.exists(state) else 0
with open(state, "a") as file:
    file.write(json.dumps(words) + "\\n")
if os.path.basename(sys.argv[0]) == "gst-launch-1.0":
    size = [int(re.search(key + r"=(\\d+)", " ".join(words))[1]) for key in ("width", "height")]
    chroma = lambda n: bytes([100, 160]) * n
else:
    size = [int(words[words.index(key) + 1]) for key in ("--width", "--height")]
    chroma = lambda n: bytes([100]) * n + bytes([160]) * n
act, count = ({acts!r} + [("play", 0)] * 99)[runs]
if act == "fail":
    print("ERROR: *** no cameras available ***", file=sys.stderr)
    sys.exit(255)
width, height = size
index = 0
while act == "play" or index < count:
    frame = bytes([60 + 5 * index % 150]) * (width * height) + chroma(width * height // 4)
    sys.stdout.buffer.write(frame)
    sys.stdout.buffer.flush()
    print("#%d (30.00 fps) exp 33251.00 ag 8.00 dg 1.00" % index, file=sys.stderr, flush=True)
    index += 1
    time.sleep(0.01)
if act == "torn":
    sys.stdout.buffer.write(frame[: len(frame) // 2])
    sys.stdout.buffer.flush()
if act == "stall":
    time.sleep(60)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts programs on an otherwise empty PATH. Returns their calls so far."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name, *acts):
        state = tmp_path / f"{name}.calls"
        program = folder / name
        program.write_text(PROGRAM.format(python=sys.executable, state=str(state), acts=list(acts)))
        program.chmod(0o755)
        return lambda: [json.loads(line) for line in state.read_text().splitlines()]

    return install


def watch(source, frames):
    items = list(itertools.islice(source, frames))
    source.stop()
    source.close()
    return [item for item in items if isinstance(item, Frame)], [
        item for item in items if isinstance(item, Event)
    ]


@pytest.mark.parametrize(
    ("program", "form"),
    [("rpicam-vid", "I420"), ("libcamera-vid", "I420"), ("gst-launch-1.0", "NV12")],
)
def test_each_program_gives_its_yuv_as_it_is(install, program, form):
    calls = install(program)
    source = open_source("csi:1?size=128x64&fps=20", SOON)
    frames, events = watch(source, 8)
    assert [event.name for event in events] == ["connecting", "connected"]
    assert (source.live, source.rate, frames[0].source) == (True, 20.0, "csi:1")
    for index, frame in enumerate(frames):
        assert (frame.format, str(frame.size), frame.index) == (form, "64x128", index)
        assert np.all(frame.planes[0] == 60 + 5 * index)
        image = bgr(frame)
        assert np.ptp(image.reshape(-1, 3), axis=0).max() == 0  # of one color: no plane is moved
        blue, _, red = image[0, 0].astype(int)
        assert red > blue  # U is 100, V is 160
    (words,) = calls()
    if program == "gst-launch-1.0":
        line = " ".join(words)
        assert "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=128,height=64" in line
        assert "framerate=20000/1000 ! nvvidconv ! video/x-raw,width=128" in line
        assert line.endswith("! fdsink fd=1 sync=false")
        assert "--quiet" in words  # what it says goes to standard output, among the images
    else:
        given = dict(zip(words[1::2], words[2::2], strict=True))
        assert given["--camera"] == "1"
        assert (given["--codec"], given["--output"], given["--timeout"]) == ("yuv420", "-", "0")
        assert given["--framerate"] == "20"


def test_a_program_that_ends_tears_and_falls_silent_is_started_again(install):
    calls = install("rpicam-vid", ("cut", 5), ("torn", 5), ("stall", 5), ("fail", 0))
    frames, events = watch(open_source("csi:0?size=64x32", SOON), 40)
    assert len(calls()) == 5
    assert [event.name for event in events].count("connected") == 4
    lost = [event.reason for event in events if event.name == "lost"]
    assert lost[0].startswith("rpicam-vid ended: #4 ")
    assert lost[1].startswith("rpicam-vid ended")
    assert lost[2].startswith("rpicam-vid: no frame for 6 s")
    (waiting,) = [e.reason for e in events if "no cameras" in e.reason]
    assert "rpicam-vid ended with status 255: ERROR: *** no cameras available ***" in waiting
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(np.ptp(frame.planes[0]) == 0 for frame in frames)  # never half of one


def test_a_camera_that_is_not_there_is_an_error_with_the_program_s_words(install):
    install("rpicam-vid", ("fail", 0))
    with pytest.raises(SourceError, match=r"status 255: ERROR: .* no cameras available"):
        list(open_source("csi:0", SOON))


def test_the_program_ends_with_the_source(install, tmp_path):
    install("rpicam-vid")
    source = open_source("csi:0", SOON)
    next(item for item in source if isinstance(item, Frame))
    process = source._device._process
    source.close()
    assert process.poll() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_without_a_program_the_package_to_install_is_named(install):
    with pytest.raises(SourceError, match=r"csi:0: neither .*apt-get install -y rpicam-apps"):
        open_source("csi:0")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("csi:x", "is a number"),
        ("csi:0?size=100x64", "multiple of 64"),
        ("csi:0?format=BGR", "its options are"),
    ],
)
def test_wrong_addresses_are_refused(install, target, message):
    install("rpicam-vid")
    with pytest.raises(SourceError, match=message):
        open_source(target)
