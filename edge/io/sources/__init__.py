"""Where frames come from: an address, as in `photos/`, `clip.mp4`, `0` or `rtsp://…`."""

from __future__ import annotations

import difflib
import glob
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from edge import redaction
from edge.errors import SourceError
from edge.io.base import Source
from edge.io.sources.live import DEFAULT_RECONNECT, ReconnectPolicy
from edge.paths import exists
from edge.redaction import is_file, masked, userinfo

__all__ = ["DEFAULT_RECONNECT", "FILES", "LIVE", "SOURCES", "ReconnectPolicy", "open_source"]

# Scheme to the module whose `open_source(target)` opens what follows "scheme:"; that of a live
# source also takes a `ReconnectPolicy`. To add a source: write the module, add its row.
FILES: Mapping[str, str] = MappingProxyType(
    {
        "images": "edge.io.sources.images",
        "replay": "edge.io.sources.replay",
        "stdin": "edge.io.sources.stdin",
        "test": "edge.io.sources.conveyor",
        "video": "edge.io.sources.video",
    }
)
LIVE: Mapping[str, str] = MappingProxyType(
    {
        "csi": "edge.io.sources.csi",
        "ffmpeg": "edge.io.sources.ffmpeg",
        "http": "edge.io.sources.stream",
        "https": "edge.io.sources.stream",
        "rtsp": "edge.io.sources.stream",
        "rtsps": "edge.io.sources.stream",
        "usb": "edge.io.sources.camera",
    }
)
SOURCES: Mapping[str, str] = MappingProxyType({**FILES, **LIVE})
_URLS = ("http", "https", "rtsp", "rtsps")  # the scheme is part of what they open


def open_source(address: str, reconnect: ReconnectPolicy = DEFAULT_RECONNECT) -> Source:
    """The source that `address` names.

    A scheme of `SOURCES` may be written before what it opens (`usb:0`, `test:conveyor`). Without
    one, `-` is standard input; else an existing path, then a camera (`0`, `/dev/video0`), then a
    glob is meant.

    Args:
        address: As on the command line.
        reconnect: How long a live source is waited for.

    Raises:
        SourceError: Nothing is there, or it cannot be opened.
        NotInstalledError: It needs a package that is not installed.
    """
    redaction.remember(address)
    scheme, target = _resolve(address)
    module = importlib.import_module(SOURCES[scheme])
    source: Source = (
        module.open_source(target, reconnect) if scheme in LIVE else module.open_source(target)
    )
    return source


def _resolve(address: str) -> tuple[str, str]:
    scheme, colon, target = address.strip().partition(":")
    if colon and target and scheme.lower() in SOURCES:
        scheme = scheme.lower()  # FFmpeg knows no others
        if scheme not in (*_URLS, "ffmpeg") and _is_url(target):
            raise SourceError(f"{masked(address)}: a URL is opened without {scheme}: before it")
        return scheme, f"{scheme}:{target}" if scheme in _URLS else target
    if "\0" in address or not address:
        raise SourceError(f"{address!r} is not an address")
    if address.partition("?")[0] == "-":
        return "stdin", address[1:]
    path = Path(address)
    if re.fullmatch(r"/dev/(video\d+|v4l/by-.*)(\?.*)?", address):
        return "usb", address
    if exists(path, SourceError):
        from edge.io.sources.images import is_image

        return ("images" if path.is_dir() or is_image(path) else "video"), address
    if re.fullmatch(r"\d+(\?.*=.*)?", address):
        return "usb", address
    if glob.has_magic(address) and not target.startswith("//"):
        return "images", address
    known = ", ".join(f"{name}:" for name in SOURCES)
    if target.startswith("//"):
        near = difflib.get_close_matches(scheme.lower(), _URLS, 1)
        hint = f"did you mean {near[0]}:?" if near else f"{known} are; ffmpeg:URL may open it"
        raise SourceError(f"{masked(address)}: {scheme}: is no scheme of a source; {hint}")
    raise SourceError(
        f"{masked(address)}: no such file or folder; a source is an image, a folder, a glob, a "
        f"video, a camera index, - or one of {known}"
    )


def _is_url(target: str) -> bool:
    start, end = userinfo(target)
    return ("://" in target or start < end) and not is_file(target)
