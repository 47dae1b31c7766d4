"""Image files of a dataset: which there are, and the number that each goes by."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from edge.errors import DataError
from edge.io.sources.images import SUFFIXES

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)


def images(folder: Path) -> list[Path]:
    """The image files in a folder, not those below it, in name order; hidden ones left out.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        entries = [p for p in folder.iterdir() if not p.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from error
    return sorted(p for p in entries if p.suffix.lower() in SUFFIXES and p.is_file())


def walk(folder: Path, leave: Collection[Path] = ()) -> Iterator[Path]:
    """The files in a folder and all below it, in no order; hidden ones left out.

    Links are followed, but into no folder twice: a loop ends. Folders come before links to them.

    Args:
        folder: Where to begin.
        leave: Folders to stay out of.

    Raises:
        DataError: A folder cannot be read.
    """
    visited: set[tuple[int, int]] = set()
    waiting = deque([folder])
    while waiting:
        here = waiting.popleft()
        try:
            status = here.stat()
            entries = [entry for entry in os.scandir(here) if not entry.name.startswith(".")]
            folders = {entry.name: entry for entry in entries if _is_folder(entry)}
        except OSError as error:
            raise DataError(f"{here}: {error.strerror}") from error
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        yield from (here / entry.name for entry in entries if entry.name not in folders)
        for name, entry in folders.items():
            if here / name not in leave:
                add = waiting.append if entry.is_symlink() else waiting.appendleft
                add(here / name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def resolved(paths: Iterable[Path]) -> list[Path]:
    """Each path without links, by which two paths of one file are known."""
    folders: dict[Path, Path] = {}
    real = []
    for path in paths:
        folder = path.parent
        if folder not in folders:
            folders[folder] = Path(os.path.realpath(folder))
        link = path.is_symlink()
        real.append(Path(os.path.realpath(path)) if link else folders[folder] / path.name)
    return real


def image_ids(paths: Sequence[Path]) -> list[int]:
    """A number for each image: its name where that is one, else its place from 1."""
    return [
        int(path.stem) if _WHOLE.fullmatch(path.stem) else place
        for place, path in enumerate(paths, 1)
    ]
