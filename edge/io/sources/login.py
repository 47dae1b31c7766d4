"""Why a camera did not let us in. FFmpeg knows, but OpenCV does not say."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import (
    AbstractDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    Request,
    parse_http_list,
    parse_keqv_list,
)

from edge.redaction import redacted

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_UNUSED = "http://unused/"  # urllib signs HTTP only; what is signed is the selector
_LIMIT = 1 << 16  # bytes of an answer's head
_SECONDS = 5.0  # for all of it
_LOOK = 0.2  # seconds between two looks at `stopped`


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    phrase: str
    challenges: tuple[str, ...]

    def __str__(self) -> str:
        return redacted(f"{self.status} {self.phrase}".strip(), foreign=True)


def refusal(url: str, stopped: threading.Event) -> str | None:
    """Why a server does not hand out a stream; None where that cannot be told.

    It is asked once more as a player asks, with the user and password of the URL where it wants
    some. That is a second failed login for each one of the player's. Redirections are not followed.

    Args:
        url: With its password, percent-encoded.
        stopped: Ends the wait when set.

    Source: RFC 2326 (RTSP), RFC 7617 (Basic), RFC 7616 (Digest).
    """
    try:
        parts = urlsplit(url)
        server = _Server(url, stopped)
        first = server.ask()
        if first.status < 400:
            return None
        if first.status == 403:
            return f"the server forbids it ({first})"
        if first.status != 401:
            return f"the server says {first}"
        if parts.username is None or parts.password is None:
            place = parts.netloc.rpartition("@")[2]
            return f"it wants a login ({first}), as in {parts.scheme}://USER:${{PASSWORD}}@{place}"
        signed = server.sign(first.challenges, unquote(parts.username), unquote(parts.password))
        if signed is None:
            return f"it wants a login of a kind that is not known here ({first})"
        second = server.ask(signed)
        if second.status in (401, 403):
            return f"the login was refused ({second}): wrong user name or password"
        return f"the server says {second}" if second.status >= 400 else None
    except OSError as error:
        return error.strerror
    except (ValueError, LookupError):
        return None


class _Server:
    """Who hands out a stream, asked for its description."""

    def __init__(self, url: str, stopped: threading.Event) -> None:
        self._parts = parts = urlsplit(url)
        self._stopped = stopped
        self._until = time.monotonic() + _SECONDS
        self._rtsp = parts.scheme.startswith("rtsp")
        self._method, self._version = (
            ("DESCRIBE", "RTSP/1.0") if self._rtsp else ("GET", "HTTP/1.1")
        )
        place = parts.netloc.rpartition("@")[2]
        self._target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        if self._rtsp:
            self._target = parts._replace(netloc=place, fragment="").geturl()
        self._lines = ["CSeq: 1", "Accept: application/sdp"]
        if not self._rtsp:
            self._lines = [f"Host: {place}", "Connection: close"]

    def ask(self, authorization: str = "") -> _Answer:
        """Its answer to one request, on a connection of its own."""
        place = self._parts.hostname or "", self._parts.port or _PORTS[self._parts.scheme]
        with socket.create_connection(place, self._left()) as plain:
            connection = plain
            if self._parts.scheme.endswith("s"):
                plain.settimeout(self._left())
                connection = _context().wrap_socket(plain, server_hostname=place[0])
            lines = [f"{self._method} {self._target} {self._version}", *self._lines]
            lines += [f"Authorization: {authorization}"] if authorization else []
            connection.settimeout(self._left())
            connection.sendall("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))
            return _parsed(self._head(connection))

    def _head(self, connection: socket.socket) -> str:
        head = bytearray()
        while b"\r\n\r\n" not in head and len(head) < _LIMIT:
            connection.settimeout(min(_LOOK, self._left()))
            try:
                more = connection.recv(4096)
            except TimeoutError:
                continue
            if not more:
                break
            head += more
        return head.partition(b"\r\n\r\n")[0].decode("latin-1")

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0 or self._stopped.is_set():
            raise TimeoutError(0, "no answer")
        return left

    def sign(self, challenges: tuple[str, ...], user: str, password: str) -> str | None:
        """The value of `Authorization`; None where the server wants what is not known here."""
        for challenge in challenges:
            kind, _, details = challenge.partition(" ")
            if kind.lower() == "basic":
                return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
            if kind.lower() == "digest" and (digest := self._digest(details, user, password)):
                return f"Digest {digest}"
        return None

    def _digest(self, details: str, user: str, password: str) -> str | None:
        known = HTTPPasswordMgrWithDefaultRealm()
        known.add_password(None, _UNUSED, user, password)
        request = Request(_UNUSED, method=self._method)
        request.selector = self._target
        try:
            offered = parse_keqv_list(parse_http_list(details))
            return AbstractDigestAuthHandler(known).get_authorization(request, offered)
        except (ValueError, LookupError):  # an algorithm that urllib does not have, say
            return None


def _parsed(head: str) -> _Answer:
    first, *lines = head.split("\r\n")
    match = re.fullmatch(r"(?:RTSP|HTTP)/\d\.\d (\d{3}) ?(.{0,80}).*", first)
    if match is None:
        raise ValueError("no answer of this protocol")
    headers = [line.partition(":") for line in lines]
    challenges = (v.strip() for k, _, v in headers if k.lower() == "www-authenticate")
    return _Answer(int(match[1]), match[2].strip(), tuple(challenges))


def _context() -> ssl.SSLContext:
    """As FFmpeg checks a camera by default: not at all. Most sign their certificates themselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
