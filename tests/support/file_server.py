"""A web server on this machine that misbehaves as told."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the next reply in the server's list; the last one stays."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self):
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        replies = self.server.replies
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, replies):
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies = replies
        self.requests = []
        self.quit = threading.Event()  # ends replies that wait

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # a client that goes away is part of the tests


@contextmanager
def serving(*replies: Reply):
    """The server, while the block runs."""
    server = Server(list(replies))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.quit.set()
        server.shutdown()
        server.server_close()
        thread.join()


def whole(content: bytes, tag: str | None = '"v1"', **extra: str) -> Reply:
    """The file, or the rest of it where that is asked for and it is the same version."""

    def reply(handler):
        headers = {"Accept-Ranges": "bytes", **extra} | ({"ETag": tag} if tag else {})
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if asked and handler.headers.get("If-Range") == tag:
            start = int(asked[1])
            if start >= len(content):
                handler.answer(416, {"Content-Length": "0"})
                return
            rest = content[start:]
            place = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers |= {"Content-Range": place, "Content-Length": str(len(rest))}
            handler.answer(206, headers, rest)
        else:
            handler.answer(200, headers | {"Content-Length": str(len(content))}, content)

    return reply


def crumbles(content: bytes, piece: int) -> Reply:
    """Continues where it is asked to, and hangs up after each piece."""

    def reply(handler):
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        headers = {"Content-Length": str(len(content) - start), "ETag": '"v1"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.answer(206 if start else 200, headers, content[start : start + piece])
        handler.close_connection = True

    return reply


def cut(content: bytes, after: int, tag: str | None = '"v1"') -> Reply:
    """Says how long the file is, sends so many bytes and hangs up."""

    def reply(handler):
        headers = {"Content-Length": str(len(content))} | ({"ETag": tag} if tag else {})
        handler.answer(200, headers, content[:after])
        handler.close_connection = True

    return reply


def stalls(content: bytes, after: int) -> Reply:
    """Sends so many bytes, then nothing until the end of the test."""

    def reply(handler):
        handler.answer(200, {"Content-Length": str(len(content)), "ETag": '"v1"'}, content[:after])
        handler.wfile.flush()
        handler.server.quit.wait(20)
        handler.close_connection = True

    return reply


def refuses(status: int) -> Reply:
    return lambda handler: handler.answer(status, {"Content-Length": "0"})


def redirects(to: str) -> Reply:
    return lambda handler: handler.answer(302, {"Location": to, "Content-Length": "0"})
