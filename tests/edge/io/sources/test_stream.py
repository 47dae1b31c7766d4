"""Streams of servers that really listen, on this machine."""

from __future__ import annotations

import functools
import http.server
import itertools
import os
import subprocess
import sys
import threading
from urllib.parse import quote

import pytest
from stream_servers import mjpeg_server, rtsp_server

from edge.errors import SourceError
from edge.io.sources import open_source
from edge.io.sources.live import ReconnectPolicy
from edge.types import Event, Frame

# A server may take a second to answer on a machine with other work: silence is longer than that.
SOON = ReconnectPolicy(stall=4.0, first=0.02, max_pause=0.05)


@pytest.fixture(params=["rtsp", "http"])
def serve(request, tmp_path):
    """Starts a server that acts as told. Returns its address."""
    servers = []

    def start(*acts, port=0):
        acts = list(acts)
        server = (
            rtsp_server(tmp_path, acts, port)
            if request.param == "rtsp"
            else mjpeg_server(acts, port)
        )
        servers.append(server.__enter__())
        return f"{request.param}://127.0.0.1:{server.port}/camera"

    yield start
    for server in servers:
        server.__exit__()


def watch(source, frames):
    """What a source does until it has given so many frames: names of events, and the frames."""
    observed, names = [], []
    for item in source:
        if isinstance(item, Event):
            names.append(item.name)
        else:
            observed.append(item)
            if len(observed) == frames:
                break
    source.stop()
    source.close()
    return observed, names


def test_a_stream_that_is_cut_and_falls_silent_comes_back_each_time(serve):
    # One that is opened and found no video is asked again, by some versions of FFmpeg twice.
    source = open_source(serve(("cut", 12), ("stall", 12), ("play", 0)), SOON)
    observed, names = watch(source, 40)
    assert all(isinstance(item, Frame) for item in observed)
    assert [item.index for item in observed] == list(range(40))
    assert all(item.planes[0].mean() > 100 for item in observed)  # none was invented
    changes = [name for name, _ in itertools.groupby(names)]
    assert changes[:2] == ["connecting", "connected"]
    assert names.count("lost") >= 2  # more where this machine falls silent itself
    assert names.count("connected") == names.count("lost") + 1
    for before, after in itertools.pairwise(names):
        assert (before, after) in {
            ("connecting", "connected"),
            ("connecting", "waiting"),
            ("connected", "lost"),
            ("lost", "waiting"),
            ("waiting", "connecting"),
        }


def test_a_server_that_goes_away_and_returns_is_found_again(serve):
    address = serve(("cut", 5), ("refuse", 0), ("refuse", 0), ("play", 0))
    observed, names = watch(open_source(address, SOON), 20)
    assert [item.index for item in observed] == list(range(20))
    assert names.count("connected") == 2  # not by a server that accepts and gives nothing
    assert names.count("waiting") >= 2


def test_frames_are_of_now(serve):
    source = open_source(serve(("play", 0)), SOON)
    observed, _ = watch(source, 10)
    assert all(b.captured > a.captured for a, b in itertools.pairwise(observed))
    assert all(b.time >= a.time for a, b in itertools.pairwise(observed))
    assert source.live
    assert source.count is None


def test_a_stream_that_is_not_waited_for_ends_with_an_error(serve):
    source = open_source(serve(("cut", 5)), ReconnectPolicy("never", stall=4.0))
    with pytest.raises(SourceError, match=r"127\.0\.0\.1.*(ended|no frame)"):
        list(source)


def test_nobody_there_is_an_error_at_once_and_keeps_the_password():
    with pytest.raises(SourceError) as error:
        open_source("http://user:secret@127.0.0.1:9/camera", SOON)
    assert "user:***@127.0.0.1" in str(error.value)
    assert "secret" not in str(error.value)


def test_a_camera_that_need_not_be_there_at_first_is_waited_for():
    source = open_source("http://127.0.0.1:9/camera", ReconnectPolicy("always", 1.0, 0.01, 0.02))
    events = list(itertools.islice(source, 4))
    assert [event.name for event in events] == ["connecting", "waiting", "connecting", "waiting"]
    source.stop()
    assert list(source) == []


@pytest.fixture(params=["rtsp", "http"])
def guarded(request, tmp_path):
    """A server that wants a login of the most awkward kind."""
    server = rtsp_server(tmp_path, []) if request.param == "rtsp" else mjpeg_server([])
    server.login = ("admin", "a/b@c#d?e%41")
    server.kind = request.param
    with server:
        yield server


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
@pytest.mark.parametrize("written", ["${CAM}", "${CAM_ENCODED|raw}", "a/b@c#d?e%2541"])
def test_any_password_lets_in(guarded, scheme, written, monkeypatch):
    guarded.scheme = scheme
    monkeypatch.setenv("CAM", guarded.login[1])
    monkeypatch.setenv("CAM_ENCODED", quote(guarded.login[1], safe=""))
    address = f"{guarded.kind}://admin:{written}@127.0.0.1:{guarded.port}/camera"
    (frame, *_), _ = watch(open_source(address, SOON), 1)
    assert frame.source == f"{guarded.kind}://admin:***@127.0.0.1:{guarded.port}/camera"
    assert guarded.refused == 0


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_a_login_that_is_refused_is_said(guarded, scheme):
    guarded.scheme = scheme
    place = f"127.0.0.1:{guarded.port}/camera"
    with pytest.raises(SourceError, match=r"admin:\*\*\*@.*: the login was refused .401") as error:
        open_source(f"{guarded.kind}://admin:Hunter2@{place}", SOON)
    assert "Hunter2" not in str(error.value)
    with pytest.raises(SourceError, match=r"it wants a login .401.*USER:\$\{PASSWORD\}@"):
        open_source(f"{guarded.kind}://{place}", SOON)


def test_a_process_that_is_stopped_in_a_silent_stream_ends_well(tmp_path):
    with mjpeg_server([("stall", 3)]) as server:
        code = (
            "import threading\n"
            "from edge.io.sources import open_source\n"
            "from edge.io.sources.live import ReconnectPolicy\n"
            f"source = open_source('http://127.0.0.1:{server.port}/', ReconnectPolicy(stall=4.0))\n"
            "seen = 0\n"
            "for item in source:\n"
            "    seen += hasattr(item, 'planes')\n"
            "    if seen == 3:  # the next is waited for when this comes\n"
            "        threading.Timer(0.3, source.stop).start()\n"
            "print(seen)\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "3"


def test_a_recording_at_a_url_ends_where_it_ends(save_video):
    path = save_video("clip.avi", frames=7)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(path.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        source = open_source(f"http://127.0.0.1:{server.server_port}/clip.avi", SOON)
        items = list(source)
        source.close()
        server.shutdown()
    assert not source.live
    assert [item.name for item in items if isinstance(item, Event)] == ["connecting", "connected"]
    assert [item.index for item in items if isinstance(item, Frame)] == list(range(7))
