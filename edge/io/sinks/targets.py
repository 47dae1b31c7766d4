"""Files that appear whole or not at all, and never over a file that a source reads."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path

from edge.errors import SinkError, UnsavedError
from edge.io.base import Source


def prepare_folder(folder: Path, source: Source) -> None:
    """Make a folder for results, and see that files can be made in it.

    Raises:
        SinkError: They cannot, or the source reads its files from there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        here = folder.resolve()
        if any(place.parent == here for file in source.files for place in _places(file)):
            raise SinkError(f"{folder}: the source's own folder; results would replace its files")
        _probe(folder / "x")
    except OSError as error:
        raise SinkError(f"{folder}: {error.strerror}") from error


def prepare_file(file: Path, source: Source) -> None:
    """Make the folder of a result, and see that the file can be made.

    Raises:
        SinkError: It cannot, or the source reads it.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        here = _places(file)
        if any(here & _places(other) for other in source.files):
            raise SinkError(f"{file}: the source itself; the result would replace it")
        _probe(file)
    except OSError as error:
        raise SinkError(f"{file}: {error.strerror}") from error


def part_of(file: Path) -> Path:
    """The name under which a file is written before it takes its own; hidden, same suffix.

    It is short where the file's name is as long as the file system allows.
    """
    code = zlib.crc32(os.fsencode(file.name))
    return file.with_name(f".edge-{code:08x}-{os.getpid()}.part{file.suffix}")


def write_whole(file: Path, content: bytes) -> None:
    """Write a file under its temporary name, then rename it.

    Raises:
        UnsavedError: It could not be written; nothing is left behind.
    """
    part = part_of(file)
    try:
        part.write_bytes(content)
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise UnsavedError(f"{file}: {error.strerror}") from error


def _places(file: Path) -> set[Path]:
    """Where a file lies, and where what it links to lies."""
    return {file.parent.resolve() / file.name, file.resolve()}


def _probe(file: Path) -> None:
    part = part_of(file)
    part.touch()
    part.unlink()
