"""Where results go."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from edge.errors import SinkError
from edge.io.base import Sink, Source

_IMAGES = "edge.io.sinks.images"
_VIDEO = "edge.io.sinks.video"

# Suffix of a file to the module whose `open_save(file, source, labels)` writes that kind.
# To add a kind: write the module, add its rows.
SAVES: Mapping[str, str] = MappingProxyType(
    {
        ".bmp": _IMAGES,
        ".jpeg": _IMAGES,
        ".jpg": _IMAGES,
        ".png": _IMAGES,
        ".tif": _IMAGES,
        ".tiff": _IMAGES,
        ".webp": _IMAGES,
        ".avi": _VIDEO,
        ".mkv": _VIDEO,
        ".mov": _VIDEO,
        ".mp4": _VIDEO,
    }
)


def open_save(path: str, source: Source, labels: Sequence[str]) -> Sink:
    """A sink that draws what was found and saves the pictures.

    Args:
        path: A file with a suffix of `SAVES`; or a folder, made where it is missing, for still
            images under their own names, or one video under that of the source.
        source: What will be drawn on; none of its files is ever written to.
        labels: Class names, by class id.

    Raises:
        SinkError: The path cannot be written to, or does not suit the source.
        NotInstalledError: OpenCV is not installed.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if target.is_dir() or path.endswith("/") or not suffix:
        module = importlib.import_module(_IMAGES if source.rate is None else _VIDEO)
        folder: Sink = module.open_folder(target, source, labels)
        return folder
    if suffix not in SAVES:
        raise SinkError(
            f"{path}: wanted a file that ends in {' '.join(SAVES)}, or a folder (with a slash "
            "after its name where that has a dot)"
        )
    file: Sink = importlib.import_module(SAVES[suffix]).open_file(target, source, labels)
    return file
