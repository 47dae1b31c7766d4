"""Where frames come from: an address, as in `photos/`, `clip.mp4`, `0` or `test:conveyor`."""

from __future__ import annotations

import glob
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from edge.errors import SourceError
from edge.io.base import Source
from edge.paths import exists

# Scheme to the module whose `open_source(target)` opens what follows "scheme:".
# To add a source: write the module, add its row.
SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "images": "edge.io.sources.images",
        "test": "edge.io.sources.conveyor",
        "usb": "edge.io.sources.camera",
        "video": "edge.io.sources.video",
    }
)


def open_source(address: str) -> Source:
    """The source that `address` names.

    A scheme of `SOURCES` may be written before what it opens (`usb:0`, `test:conveyor`). Without
    one, an existing path, then a camera (`0`, `/dev/video0`), then a glob is meant.

    Raises:
        SourceError: Nothing is there, or it cannot be opened.
        NotInstalledError: It needs a package that is not installed.
    """
    scheme, target = _resolve(address)
    source: Source = importlib.import_module(SOURCES[scheme]).open_source(target)
    return source


def _resolve(address: str) -> tuple[str, str]:
    scheme, _, target = address.partition(":")
    if scheme in SOURCES and target:
        return scheme, target
    if "\0" in address or not address:
        raise SourceError(f"{address!r} is not an address")
    path = Path(address)
    if re.fullmatch(r"/dev/video\d+", address):
        return "usb", address
    if exists(path, SourceError):
        from edge.io.sources.images import is_image

        return ("images" if path.is_dir() or is_image(path) else "video"), address
    if re.fullmatch(r"\d+", address):
        return "usb", address
    if glob.has_magic(address):
        return "images", address
    raise SourceError(
        f"{address}: no such file or folder; a source is an image, a folder, a glob, a video, "
        f"a camera index, or one of {', '.join(f'{name}:' for name in SOURCES)}"
    )
