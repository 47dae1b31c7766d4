"""Why a camera did not let us in. FFmpeg knows, but OpenCV does not say."""

from __future__ import annotations

import base64
import re
import socket
import ssl
from http.client import parse_headers
from typing import BinaryIO
from urllib.parse import unquote, urlsplit
from urllib.request import (
    AbstractDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    Request,
    parse_http_list,
    parse_keqv_list,
)

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_REFUSED = (401, 403)
_UNUSED = "http://unused/"  # urllib signs HTTP only; what is signed is the selector
_MOST = 5.0  # seconds


def refusal(url: str, timeout: float) -> str | None:
    """Why a server does not hand out a stream; None where that cannot be told.

    It is asked once more as a player asks, with the user and password of the URL where it wants
    some. That is a second failed login for each one of the player's.

    Args:
        url: With its password, percent-encoded.
        timeout: Seconds for each answer.

    Source: RFC 2326 (RTSP), RFC 7617 (Basic), RFC 7616 (Digest).
    """
    try:
        parts = urlsplit(url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        status, phrase, challenges = _ask(url, timeout)
        if status == 401 and parts.username is not None:
            answer = _answer(challenges, url, user, password)
            if answer is not None:
                status, phrase, _ = _ask(url, timeout, answer)
    except OSError as error:
        return error.strerror
    except (ValueError, LookupError):
        return None
    if status < 400:
        return None
    if status not in _REFUSED:
        return f"the server says {status} {phrase}"
    if parts.username is None:
        return (
            f"it wants a login ({status} {phrase}), as in "
            f"{parts.scheme}://USER:${{PASSWORD}}@{parts.hostname}"
        )
    return f"the login was refused ({status} {phrase}): wrong user name or password"


def _ask(url: str, timeout: float, answer: str = "") -> tuple[int, str, list[str]]:
    """Status, its phrase, and the challenges of a server."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    seconds = min(timeout, _MOST)
    with socket.create_connection((host, port), seconds) as plain:
        plain.settimeout(seconds)
        connection = plain
        if parts.scheme.endswith("s"):
            connection = _context().wrap_socket(plain, server_hostname=host)
        lines = [f"{_method(parts.scheme)} {_target(url)} {_version(parts.scheme)}"]
        if parts.scheme.startswith("rtsp"):
            lines += ["CSeq: 1", "Accept: application/sdp"]
        else:
            lines += [f"Host: {parts.netloc.rpartition('@')[2]}", "Connection: close"]
        if answer:
            lines.append(f"Authorization: {answer}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        with connection.makefile("rb") as stream:
            return _status(stream)


def _status(stream: BinaryIO) -> tuple[int, str, list[str]]:
    line = stream.readline(1000).decode("latin-1")
    match = re.match(r"(?:RTSP|HTTP)/\d\.\d (\d{3}) ?([^\r\n]*)", line)
    if match is None:
        raise ValueError("no answer of this protocol")
    headers = parse_headers(stream)  # at most 100 lines of 64 KB
    return int(match[1]), match[2].strip(), headers.get_all("WWW-Authenticate", [])


def _answer(challenges: list[str], url: str, user: str, password: str) -> str | None:
    """The value of `Authorization`; None where the server wants what is not known here."""
    offered = {each.partition(" ")[0].lower(): each.partition(" ")[2] for each in challenges}
    if "digest" in offered:
        known = HTTPPasswordMgrWithDefaultRealm()
        known.add_password(None, _UNUSED, user, password)
        wanted = parse_keqv_list(parse_http_list(offered["digest"]))
        digest = AbstractDigestAuthHandler(known).get_authorization(_Description(url), wanted)
        return None if digest is None else f"Digest {digest}"
    if "basic" in offered:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return None


class _Description(Request):
    """The request, as `urllib` looks at it to sign it."""

    def __init__(self, url: str) -> None:
        scheme = urlsplit(url).scheme
        super().__init__(_UNUSED, method=_method(scheme))
        self.selector = _target(url)


def _method(scheme: str) -> str:
    return "DESCRIBE" if scheme.startswith("rtsp") else "GET"


def _version(scheme: str) -> str:
    return "RTSP/1.0" if scheme.startswith("rtsp") else "HTTP/1.1"


def _target(url: str) -> str:
    """What is asked for: in RTSP the URL, in HTTP the path; without user and password."""
    parts = urlsplit(url)
    path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    if not parts.scheme.startswith("rtsp"):
        return path
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _context() -> ssl.SSLContext:
    """As FFmpeg checks a camera by default: not at all. Most sign their certificates themselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
