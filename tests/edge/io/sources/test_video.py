from __future__ import annotations

import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from edge.errors import SourceError
from edge.io.sources import open_source
from edge.types import Size


@pytest.mark.parametrize("name", ["v.mp4", "v.avi", "v.mkv", "日本.mp4", "a:b %02d.mp4"])
def test_a_video_gives_its_frames_in_order_with_their_time(save_video, name):
    path = save_video(name, frames=10, rate=10.0)
    source = open_source(str(path))
    assert (source.count, source.rate, source.live, source.files) == (10, 10.0, False, (path,))
    observed = [(f.index, f.time, f.source, f.size, float(f.planes[0].mean())) for f in source]
    source.close()
    assert [index for index, *_ in observed] == list(range(10))
    assert [time for _, time, *_ in observed] == pytest.approx(
        [i / 10 for i in range(10)], abs=1e-3
    )
    assert {(where, size) for _, _, where, size, _ in observed} == {(str(path), Size(48, 64))}
    assert [level for *_, level in observed] == pytest.approx([20 * i for i in range(10)], abs=6)


def test_a_relative_name_with_a_colon_is_no_protocol(save_video, tmp_path, monkeypatch):
    save_video("a:b.mp4")
    monkeypatch.chdir(tmp_path)
    source = open_source("a:b.mp4")
    assert next(iter(source)).source == "a:b.mp4"
    source.close()


def test_a_truncated_video_gives_what_can_be_decoded(save_video):
    path = save_video("v.avi", frames=12)
    data = path.read_bytes()
    first, end = data.index(b"movi"), data.rindex(b"idx1")
    path.write_bytes(data[: (first + end) // 2])
    source = open_source(str(path))
    decoded = sum(1 for _ in source)
    assert 0 < decoded < 12 == source.count


def rotated(data: bytes, degrees: int) -> bytes:
    """An .mp4 whose track header turns the image: ISO 14496-12, 8.3.2, the matrix of tkhd."""
    cosine, sine = {90: (0, 1), 180: (-1, 0)}[degrees]
    matrix = [v << 16 for v in (cosine, sine, 0, -sine, cosine, 0, 0, 0)] + [1 << 30]
    at = data.index(b"tkhd") + 4 + 40
    return data[:at] + struct.pack(">9i", *matrix) + data[at + 36 :]


def test_a_video_is_turned_as_its_header_says(save_video):
    path = save_video("phone.mp4")
    path.write_bytes(rotated(path.read_bytes(), 90))
    source = open_source(str(path))
    assert next(iter(source)).size == Size(64, 48)
    source.close()


def test_a_video_without_one_good_frame_is_an_error(save_video):
    path = save_video("v.avi")
    data = path.read_bytes()
    start = data.index(b"movi") + 4
    path.write_bytes(data[:start] + bytes(len(data) - start))
    with pytest.raises(SourceError, match=r"v\.avi: (not one frame|neither)"):
        list(open_source(str(path)))


@pytest.mark.parametrize("content", [b"", b"hello", bytes(10_000)])
def test_what_is_no_video_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"v\.mp4: neither an image nor a video"):
        open_source(str(path))


@pytest.mark.parametrize("name", ["v.mp4", "v.avi"])
def test_opencv_and_ffmpeg_keep_silent_about_a_damaged_video(save_video, name):
    path = save_video(name)
    path.write_bytes(path.read_bytes()[:-400])  # mp4: no index; avi: cut inside a frame
    code = (
        "import sys\n"
        "from edge.errors import SourceError\n"
        "from edge.io.sources import open_source\n"
        "try: print(len(list(open_source(sys.argv[1]))))\n"
        "except SourceError as error: print(error)"
    )
    # In a process of its own: FFmpeg takes its level from the first video that is opened.
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_a_name_that_is_not_utf8_is_refused(save_video, tmp_path):
    path = save_video("v.mp4").rename(tmp_path / "\udcff.mp4")
    with pytest.raises(SourceError, match="UTF-8"):
        open_source(str(path))


def test_times_rise_where_a_container_has_none(save_video):
    path = save_video("v.mp4", frames=3)
    source = open_source(str(path))
    source._capture.release()  # from here OpenCV gives 0 for every position
    last, times = -1.0, []
    for _ in range(3):
        last = source._time(last)
        times.append(last)
    assert np.allclose(times, [0.0, 0.1, 0.2])
