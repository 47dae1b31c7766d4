"""What servers say against a login; those of `stream_servers` say it to `test_stream`."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from edge.io.sources.login import refusal
from edge.redaction import remember


@pytest.fixture
def says():
    """Starts a server that answers everybody alike. Returns its address."""
    with contextlib.ExitStack() as stack:

        def start(answer: bytes) -> str:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve():
                with contextlib.suppress(OSError):
                    while True:
                        with server.accept()[0] as connection:
                            connection.recv(4096)
                            connection.sendall(answer)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            return f"127.0.0.1:{server.getsockname()[1]}/1"

        yield start


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", None),
        (
            b"RTSP/1.0 404 Stream Not Found\r\nCSeq: 1\r\n\r\n",
            "the server says 404 Stream Not Found",
        ),
        (b"RTSP/1.0 403 Forbidden\r\n\r\n", "the server forbids it (403 Forbidden)"),
        (b"RTSP/1.0 401\r\nWWW-Authenticate: Negotiate\r\n\r\n", "it wants a login of a kind"),
        (b"RTSP/1.0 401 No\r\nWWW-Authenticate: Digest x\r\n\r\n", "it wants a login of a kind"),
        (
            b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="c", nonce="n", algorithm=MD5\r\n'
            b'WWW-Authenticate: Digest realm="c", nonce="n", algorithm=SHA-999\r\n\r\n',
            "the login was refused (401 No)",
        ),
        (b"RTSP/1.0 401 No\r\nWWW-Authenticate: Basic x\r\n\r\n", "the login was refused (401 No)"),
        (b"RTSP/1.0 500 it is pw99\r\n\r\n", "the server says 500 it is ***"),
        (b"RTSP/1.0 404 x\r\n" + 5000 * b"a: b\r\n" + b"\r\n", "the server says 404"),
        (b"RTSP/1.0 404 x\r\nb: " + 200_000 * b"a", "the server says 404"),
        (b"HTTP/2 what", None),
        (b"", None),
    ],
)
def test_an_answer_becomes_a_sentence_or_none(says, answer, why):
    remember("rtsp://u:pw99@cam")
    result = refusal(f"rtsp://u:p@{says(answer)}", threading.Event())
    assert result is None if why is None else result.startswith(why)


def test_who_is_not_there_is_said_as_the_system_says_it():
    stopped = threading.Event()
    assert refusal("rtsp://u:p@127.0.0.1:9/1", stopped) == "Connection refused"
    assert refusal("rtsp://u:p@[::1", stopped) is None
    assert refusal("rtsp://u:p@127.0.0.1:99999/1", stopped) is None


def test_nobody_waits_for_an_answer_once_it_is_stopped():
    """Neither for one that never comes, nor for one that comes byte by byte."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopped = threading.Event()
        stopped.set()
        url = f"rtsp://u:p@127.0.0.1:{server.getsockname()[1]}/1"
        assert refusal(url, stopped) == "no answer"
