from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from edge.errors import SinkError
from edge.io.sinks import open_save
from edge.io.sinks.video import VideoFile
from edge.io.sources import open_source
from edge.types import Failure, Size


def play(path):
    source = open_source(str(path))
    frames = [(f.time, f.size, float(f.planes[0].mean())) for f in source]
    source.close()
    return source.rate, frames


@pytest.mark.parametrize("name", ["out.mp4", "out.avi", "out.mkv", "out.mov", "日本.mp4"])
def test_a_video_comes_back_with_its_rate_size_and_frames(result, tmp_path, name):
    sink = VideoFile(tmp_path / name, 10.0, ("dog",))
    for index in range(12):
        sink.write(result(index=index, time=index / 10))
    assert not (tmp_path / name).exists()
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == [name]
    rate, frames = play(tmp_path / name)
    assert rate == pytest.approx(10.0)
    assert len(frames) == 12
    assert {size for _, size, _ in frames} == {Size(100, 200)}


def test_a_folder_gets_the_video_under_the_name_of_its_source(save_video, result, tmp_path):
    source = open_source(str(save_video("clip.avi")))
    sink = open_save(f"{tmp_path}/out", source, ())
    sink.write(result())
    sink.close()
    source.close()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ([0.0, 0.1, 0.2, 0.3], 4),
        ([5.0, 5.1, 5.2], 3),  # not from 0
        ([0.0, 0.5, 1.0], 11),  # slower than the rate: repeated
        ([0.0, 0.02, 0.04, 0.06, 0.08, 0.1], 2),  # faster: left out
        ([0.0, 0.1, 0.2, 0.5, 0.6], 7),  # two lost
        ([0.0, 0.1, 3600.0, 3600.1], 4),  # a long pause is cut
        ([10.0, 10.1, 3.0, 3.1], 4),  # the clock was set back
    ],
)
def test_the_video_takes_the_time_that_the_source_took(result, tmp_path, times, shown):
    sink = VideoFile(tmp_path / "out.avi", 10.0, ())
    for index, time in enumerate(times):
        sink.write(result(index=index, time=time))
    sink.close()
    assert len(play(tmp_path / "out.avi")[1]) == shown


def test_an_odd_rate_loses_no_frame(result, tmp_path):
    sink = VideoFile(tmp_path / "out.mp4", 30000 / 1001, ())
    for index in range(100):
        sink.write(result(index=index, time=index * 1001 / 30000, height=48, width=64))
    sink.close()
    assert len(play(tmp_path / "out.mp4")[1]) == 100


def test_without_a_frame_there_is_no_file(tmp_path):
    sink = VideoFile(tmp_path / "out.mp4", 10.0, ())
    sink.write_failure(Failure(0, 0.0, "v.mp4", "broken"))
    sink.close()
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_an_image_of_another_size_is_refused_and_what_was_written_is_kept(result, tmp_path):
    sink = VideoFile(tmp_path / "out.mp4", 10.0, ())
    sink.write(result())
    with pytest.raises(SinkError, match=r"out\.mp4: the image changes from 100x200 to 64x64"):
        sink.write(result(height=64, width=64))
    sink.close()
    assert len(play(tmp_path / "out.mp4")[1]) == 1


def test_a_name_that_is_not_utf8_is_refused(save_video, tmp_path):
    source = open_source(str(save_video("v.mp4")))
    with pytest.raises(SinkError, match="UTF-8"):
        open_save(f"{tmp_path}/\udcff.mp4", source, ())
    source.close()


FILL = """
import sys
from pathlib import Path
import numpy as np
from edge.errors import SinkError
from edge.io.sinks.video import VideoFile
from edge.types import Detections, Frame, Latency, Result
none = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))
sink = VideoFile(Path(sys.argv[1]), 10.0, ())
noise = np.random.default_rng(0)
for i in range(20):
    image = noise.integers(0, 256, (480, 640, 3), np.uint8)
    sink.write(Result(Frame((image,), "BGR", i, i / 10), none, Latency(0, 0, 0)))
try:
    sink.close()
except SinkError as error:
    print(error)
"""


def test_a_video_that_the_disk_cannot_hold_is_an_error_and_leaves_nothing(tmp_path):
    limit = 100_000  # bytes that the process may write to a file: as a full disk, without one
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "out.mp4")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "could not be written completely" in done.stdout
    assert list(tmp_path.iterdir()) == []
