"""Where results go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType

from edge.errors import SinkError
from edge.io.base import Sink, Source
from edge.io.sinks import images, video
from edge.paths import exists

# Suffix of a file to the module whose `open_file(file, source, labels)` writes that kind.
# To add a kind: write the module with its `SUFFIXES`, add it here.
SAVES: Mapping[str, ModuleType] = MappingProxyType(
    {suffix: kind for kind in (images, video) for suffix in kind.SUFFIXES}
)


def open_save(path: str, source: Source, labels: Sequence[str]) -> Sink:
    """A sink that draws what was found and saves the images.

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
    there = exists(target, SinkError)
    if (there and target.is_dir()) or path.endswith("/") or not suffix:
        kind = images if source.rate is None else video
        folder: Sink = kind.open_folder(target, source, labels)
        return folder
    if suffix not in SAVES:
        raise SinkError(
            f"{path}: wanted a file that ends in {' '.join(SAVES)}, or a folder (with a slash "
            "after its name where that has a dot)"
        )
    file: Sink = SAVES[suffix].open_file(target, source, labels)
    return file
