"""Fetches one file over HTTP(S): resumed where it was cut off, checked, and whole or not there.

Used by `edge models pull` alone; nothing else in this package opens a connection.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import urlsplit

from edge.errors import DownloadError
from edge.version import __version__

_CHUNK = 1 << 16  # bytes
_LARGEST = 1 << 31  # bytes; a server that sends more does not send a detector

Progress = Callable[[int, int | None], None]  # bytes that are here, bytes in all where known


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to give up.

    Attributes:
        timeout: Seconds without a byte, at connecting and at any later time.
        attempts: How often in a row to fail without having got on; a file that was cut off is
            continued where it was.
        pause: Seconds before the next attempt; twice as many after each further failure.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0


class WrongFileError(DownloadError):
    """What came, or is there, has another hash than it should."""


class _AgainError(Exception):
    """This attempt failed in a way that the next one may not."""


def fetch(
    url: str,
    target: Path,
    *,
    hashes: Mapping[str, str] = MappingProxyType({}),
    retry: RetryPolicy | None = None,
    progress: Progress = lambda _here, _all: None,
) -> str:
    """Fetch a file, unless it is there already with these hashes.

    What has come of a file that was cut off stays beside `target`, as `.NAME.part`, for the next
    attempt or the next call; it is only continued where the server says that the file is still
    the same one.

    Args:
        url: https, or http; a redirect never leads from the former to the latter.
        target: Where the file appears, when it is whole and its hashes are right. Its folder is
            made.
        hashes: hashlib's name of an algorithm to hexadecimal digest; all must agree.
        retry: When to give up.
        progress: Called from time to time.

    Returns:
        The SHA-256 of the file.

    Raises:
        DownloadError: It could not be had, or is not the file that was wanted. Then `target` is
            as it was.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError(f"{url}: only http and https addresses can be fetched")
    try:
        if hashes and target.is_file() and not _wrong(digests := _digests(target, hashes), hashes):
            return digests["sha256"]
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f".{target.name}.part"), url) as part:
            _retried(url, part, retry or RetryPolicy(), progress)
            os.fsync(part.file.fileno())
            try:
                digest = check(part.path, hashes, url)
            except DownloadError:
                part.clear()
                raise
            part.path.replace(target)
            part.note.unlink(missing_ok=True)
            return digest
    except OSError as error:
        raise DownloadError(f"{target}: {error.strerror or error}") from error


def check(path: Path, hashes: Mapping[str, str], origin: str) -> str:
    """The SHA-256 of a file that is what was wanted.

    Raises:
        WrongFileError: A hash differs.
        DownloadError: It is a page that a server or a network sent in place of the file.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        if file.read(256).lstrip()[:1] == b"<":
            raise DownloadError(f"{origin}: a web page, not a model")
    digests = _digests(path, hashes)
    if name := _wrong(digests, hashes):
        raise WrongFileError(
            f"{origin}: not the file that was wanted: its {name} is {digests[name]}, wanted "
            f"{hashes[name]}"
        )
    return digests["sha256"]


def _digests(path: Path, hashes: Mapping[str, str]) -> dict[str, str]:
    sums = {name: hashlib.new(name) for name in {"sha256", *hashes}}
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for one in sums.values():
                one.update(chunk)
    return {name: one.hexdigest() for name, one in sums.items()}


def _wrong(digests: Mapping[str, str], hashes: Mapping[str, str]) -> str | None:
    """The first hash that differs."""
    return next(
        (name for name, expected in hashes.items() if digests[name] != expected.lower()), None
    )


class _Part:
    """The beginning of a file, and a note of which version of it this is."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self.file = file
        self.note = path.with_suffix(".json")

    def size(self) -> int:
        return self.file.seek(0, os.SEEK_END)

    def version(self, url: str) -> str | None:
        """What the server called the version that this is the beginning of."""
        try:
            note = json.loads(self.note.read_bytes())
        except (OSError, ValueError):
            return None
        same = isinstance(note, dict) and note.get("url") == url
        return note["version"] if same and isinstance(note.get("version"), str) else None

    def begin(self, url: str, version: str | None) -> None:
        self.clear()
        if version is not None:
            self.note.write_text(json.dumps({"url": url, "version": version}))

    def clear(self) -> None:
        self.note.unlink(missing_ok=True)
        self.file.seek(0)
        self.file.truncate()


@contextmanager
def _locked(path: Path, url: str) -> Iterator[_Part]:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadError(f"{path}: another process is fetching this file") from error
        part = _Part(path, file)
        try:
            yield part
        except BaseException:
            if not part.size() or part.version(url) is None:  # it could not be continued
                part.clear()
                path.unlink(missing_ok=True)
            raise


def _retried(url: str, part: _Part, retry: RetryPolicy, progress: Progress) -> None:
    left = retry.attempts
    while True:
        before = part.size()
        try:
            _attempt(url, part, retry.timeout, progress)
            return
        except _AgainError as error:
            if part.size() >= before + _CHUNK:  # slowly, but it comes
                left = retry.attempts
            left -= 1
            if not left:
                kept = part.size() if part.version(url) else 0
                rest = f"; {kept} bytes are kept for the next time" if kept else ""
                raise DownloadError(f"{url}: {error} ({retry.attempts} attempts){rest}") from error
        time.sleep(retry.pause * 2 ** (retry.attempts - left - 1))


def _attempt(url: str, part: _Part, timeout: float, progress: Progress) -> None:
    have, version = part.size(), part.version(url)
    headers = {"User-Agent": f"edge-yolo/{__version__}", "Accept-Encoding": "identity"}
    if have and version is not None:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    try:
        with _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout) as reply:
            _receive(url, reply, part, progress)
    except urllib.error.HTTPError as error:
        _judge(url, error, part)
    except urllib.error.URLError as error:
        raise _AgainError(_reason(error.reason)) from error
    except (http.client.HTTPException, OSError) as error:
        raise _AgainError(_reason(error)) from error


def _judge(url: str, error: urllib.error.HTTPError, part: _Part) -> None:
    """Whether a refusal may be asked again."""
    error.close()
    if error.code == 416:  # more than the whole is here: it is not a part of that file
        part.clear()
        raise _AgainError("the server has less than what was fetched before") from error
    if error.code in (408, 425, 429) or error.code >= 500:
        raise _AgainError(f"the server says {error.code} {error.reason}") from error
    raise DownloadError(f"{url}: the server says {error.code} {error.reason}") from error


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _receive(url: str, reply: Any, part: _Part, progress: Progress) -> None:
    if reply.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadError(f"{url}: the server packs the file, which it was asked not to do")
    have = 0
    if reply.status == 206:
        have = part.size()
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != have:
            part.clear()
            raise _AgainError("the server continued elsewhere than it was asked to")
    else:
        part.begin(url, _version(reply.headers))
    length = reply.headers.get("Content-Length", "")
    total = have + int(length) if length.isdecimal() else None
    if (total or 0) > _LARGEST:
        raise DownloadError(f"{url}: {total} bytes are more than any model has")
    progress(have, total)
    while chunk := reply.read1(_CHUNK):  # what is there, so that a stall loses nothing
        try:
            part.file.write(chunk)
            part.file.flush()
        except OSError as error:  # the disk, not the network
            raise DownloadError(f"{part.path}: {error.strerror or error}") from error
        have += len(chunk)
        if have > _LARGEST:
            part.clear()
            raise DownloadError(f"{url}: more than {_LARGEST} bytes came")
        progress(have, total)
    if total is not None and have < total:
        raise _AgainError(f"the connection was cut at {have} of {total} bytes")


def _version(headers: Any) -> str | None:
    """What names this version of the file: a strong ETag, or when it was last changed."""
    tag = headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return str(tag)
    changed = headers.get("Last-Modified")
    return str(changed) if changed else None


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not out of an encrypted connection."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        schemes = ("https",) if req.type == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in schemes:
            raise DownloadError(f"{req.full_url}: redirects to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """HTTP and HTTPS only: urllib's own opener would also read files and FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirect(),
    ):
        opener.add_handler(handler)
    return opener
