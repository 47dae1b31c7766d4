"""Servers of moving images on this machine that stall, cut, refuse and come back as told.

Every connection that is to play takes the next of the server's acts: ("cut", n) hangs up after n
images, ("stall", n) falls silent, ("refuse", 0) hangs up at once, ("play", 0) goes on. Images
are bright: a dark one was invented by somebody.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

Act = tuple[str, int]

RATE = 50.0
SIZE = (48, 64)
BOUNDARY = b"image"


def images(count: int = 25) -> Iterator[np.ndarray]:
    """Bright images, each of another level."""
    for index in range(count):
        yield np.full((*SIZE, 3), 120 + 4 * index, np.uint8)


class Server(socketserver.ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1 until it is closed."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, handler, acts: list[Act], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.acts = acts
        self.login = None  # (user, password): only who knows it is let in
        self.scheme = "Basic"  # or "Digest"
        self.refused = 0
        self.closed = threading.Event()
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def next_act(self) -> Act:
        return self.acts.pop(0) if self.acts else ("play", 0)

    def perform(self, send, hang_up) -> None:
        """Send image after image as the next act says. `send(index)` sends one."""
        act, count = self.next_act()
        index = 0
        try:
            while not self.closed.is_set() and (act == "play" or index < count):
                send(index)
                index += 1
                time.sleep(1 / RATE)
        except OSError:
            return
        if act == "stall":
            self.closed.wait()
        with suppress(OSError):  # it has hung up itself
            hang_up()

    def challenge(self, method: str, url: str, authorization: str) -> str | None:
        """The header that asks for the login; None for who is let in."""
        if self.login is None:
            return None
        user, password = self.login
        if self.scheme == "Basic":
            expected = base64.b64encode(f"{user}:{password}".encode()).decode()
            right = authorization == f"Basic {expected}"
        else:
            text = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization))
            first, second = f"{user}:camera:{password}", f"{method}:{text.get('uri')}"
            whole = f"{_md5(first)}:abc:{_md5(second)}"
            right = text.get("response") == _md5(whole) and text.get("uri") == url
        if right:
            return None
        self.refused += bool(authorization)
        nonce = "" if self.scheme == "Basic" else ', nonce="abc"'
        return f'WWW-Authenticate: {self.scheme} realm="camera"{nonce}'

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no error here."""

    def __exit__(self, *_) -> None:
        self.closed.set()
        self.shutdown()
        self.server_close()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _headers(stream) -> dict[str, str]:
    headers = {}
    while text := stream.readline().strip():
        key, _, value = text.decode().partition(":")
        headers[key.lower()] = value.strip()
    return headers


class _Mjpeg(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        method, path = self.rfile.readline().decode().split()[:2]
        authorization = _headers(self.rfile).get("authorization", "")
        if challenge := self.server.challenge(method, path, authorization):
            self.wfile.write(f"HTTP/1.0 401 Unauthorized\r\n{challenge}\r\n\r\n".encode())
            return
        jpegs = [cv2.imencode(".jpg", image)[1].tobytes() for image in images()]
        self.wfile.write(
            b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=%s\r\n\r\n"
            % BOUNDARY
        )

        def send(index: int) -> None:
            jpeg = jpegs[index % len(jpegs)]
            head = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
            self.wfile.write(head % (BOUNDARY, len(jpeg)) + jpeg + b"\r\n")

        self.server.perform(send, lambda: self.request.shutdown(socket.SHUT_RDWR))


def mjpeg_server(acts: list[Act], port: int = 0) -> Server:
    """An HTTP camera: multipart MJPEG."""
    return Server(_Mjpeg, acts, port)


def mpeg4(folder: Path) -> list[bytes]:
    """Images as MPEG-4 Visual; the first holds the headers."""
    path = folder / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FMP4"), RATE, SIZE[::-1])
    for image in images():
        writer.write(image)
    writer.release()
    data, at, result = path.read_bytes(), 0, []
    at = data.index(b"movi") + 4
    while data[at : at + 4] == b"00dc":
        (length,) = struct.unpack_from("<I", data, at + 4)
        result.append(data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return result


class _Rtsp(socketserver.StreamRequestHandler):
    """As much of RTSP as FFmpeg asks for over one TCP connection (RFC 2326, RFC 6416)."""

    def handle(self) -> None:
        units = self.server.units
        playing = None
        while line := self.rfile.readline():
            if line[:1] == b"$":  # RTCP; the length is in what was read, or comes next
                head = (line + self.rfile.read(max(0, 4 - len(line))))[:4]
                self.rfile.read(struct.unpack(">H", head[2:])[0] - max(0, len(line) - 4))
                continue
            method, url = line.decode().split()[:2]
            headers = _headers(self.rfile)
            reply = ["RTSP/1.0 200 OK", f"CSeq: {headers['cseq']}"]
            body = ""
            challenge = self.server.challenge(method, url, headers.get("authorization", ""))
            if challenge is not None and method != "OPTIONS":
                reply[0] = "RTSP/1.0 401 Unauthorized"
                reply.append(challenge)
            elif method == "OPTIONS":
                reply.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
            elif method == "DESCRIBE":
                config = units[0][: units[0].index(b"\x00\x00\x01\xb6")].hex()
                body = (
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\n"
                    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 MP4V-ES/90000\r\n"
                    f"a=fmtp:96 profile-level-id=1;config={config}\r\na=control:track\r\n"
                )
                reply += ["Content-Type: application/sdp", f"Content-Base: {url.rstrip('/')}/"]
            elif method == "SETUP":
                reply += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1;timeout=60"]
            elif method == "PLAY":
                reply.append("Session: 1")
            if body:
                reply.append(f"Content-Length: {len(body)}")
            self.request.sendall("\r\n".join([*reply, "", body]).encode())
            if method == "PLAY" and challenge is None and playing is None:
                playing = threading.Thread(target=self.play, daemon=True)
                playing.start()
            if method == "TEARDOWN":
                return

    def play(self) -> None:
        units = self.server.units
        sequence = 0

        def send(index: int) -> None:
            nonlocal sequence
            unit, clock = units[index % len(units)], round(index * 90000 / RATE)
            parts = [unit[at : at + 1300] for at in range(0, len(unit), 1300)]
            for part in parts:
                marker = 0x80 if part is parts[-1] else 0
                packet = (
                    struct.pack(">BBHII", 0x80, 96 | marker, sequence & 0xFFFF, clock, 1) + part
                )
                self.request.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                sequence += 1

        self.server.perform(send, lambda: self.request.shutdown(socket.SHUT_RDWR))


def rtsp_server(folder: Path, acts: list[Act], port: int = 0) -> Server:
    """An RTSP camera: MPEG-4 over TCP."""
    units = mpeg4(folder)
    server = Server(_Rtsp, acts, port)
    server.units = units
    return server
