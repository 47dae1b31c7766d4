"""`ffmpeg:`, by a program in its place on PATH that writes what it does."""

from __future__ import annotations

import collections
import json
import sys

import pytest

from edge.errors import SourceError
from edge.io.sources import open_source
from edge.io.sources.live import ReconnectPolicy
from edge.types import Event, Frame

ONCE = ReconnectPolicy("never", stall=5.0)

PROGRAM = """#!{python}
import json, sys
open({words!r}, "w").write(json.dumps(sys.argv[1:]))
out = sys.stdout.buffer
out.write(b"YUV4MPEG2 W32 H16 F25:1 Ip A1:1 C420jpeg XYSCSS=420JPEG\\n")
for level in (50, 60, 70):
    out.write(b"FRAME\\n" + bytes([level]) * 512 + bytes([120]) * 128 + bytes([130]) * 128)
out.flush()
sys.exit("{{}}: Connection refused".format(sys.argv[-2]))
"""


@pytest.fixture
def answer(tmp_path, monkeypatch):
    """Puts an ffmpeg on an otherwise empty PATH. Returns the words it was started with."""
    (tmp_path / "bin").mkdir()
    program, text = tmp_path / "bin" / "ffmpeg", tmp_path / "words"
    program.write_text(PROGRAM.format(python=sys.executable, words=str(text)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return lambda: json.loads(text.read_text())


def test_its_images_are_i420_of_their_own_size(answer):
    source = open_source("ffmpeg:rtsp://cam/1", ONCE)
    items = []
    with pytest.raises(SourceError, match=r"ffmpeg ended with status 1: .*Connection refused"):
        collections.deque(map(items.append, source))
    names = [item for item in items if isinstance(item, Event)]
    frames = [item for item in items if not isinstance(item, Event)]
    assert [event.name for event in names] == ["connecting", "connected", "lost"]
    assert all(isinstance(frame, Frame) and frame.format == "I420" for frame in frames)
    assert [int(frame.planes[0][0, 0]) for frame in frames] == [50, 60, 70]
    assert str(frames[0].size) == "16x32"
    words = " ".join(answer())
    assert "-rtsp_transport tcp -i rtsp://cam/1 -an -f yuv4mpegpipe -pix_fmt yuv420p -" in words
    assert "-nostdin" in words


def test_its_options_and_secrets_are_handed_on_and_not_shown(answer, monkeypatch):
    monkeypatch.setenv("PW", "pa55")
    source = open_source("ffmpeg:-hwaccel drm -i http://u:${PW}@cam/a", ONCE)
    frame = next(item for item in source if isinstance(item, Frame))
    assert frame.source == "http://u:***@cam/a"
    source.stop()
    source.close()
    assert "-hwaccel drm -i http://u:pa55@cam/a" in " ".join(answer())


def test_half_a_line_is_not_repeated_while_the_program_runs(tmp_path, monkeypatch):
    """A password that is not whole yet is not known again."""
    program = tmp_path / "ffmpeg"
    program.write_text(
        f"#!{sys.executable}\nimport sys, time\n"
        "sys.stderr.write('401 > 300\\nopening rtsp://admin:Hunt'); sys.stderr.flush()\n"
        "time.sleep(60)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    source = open_source("ffmpeg:rtsp://admin:Hunter2@cam/1", ReconnectPolicy("never", stall=1.0))
    with pytest.raises(SourceError, match=r"ffmpeg: no frame for 1 s: 401 > 300$") as error:
        list(source)
    source.close()
    assert "Hunt" not in str(error.value)


def test_without_it_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="apt-get install -y ffmpeg"):
        open_source("ffmpeg:rtsp://cam/1")
