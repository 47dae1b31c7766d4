"""Picture files of a dataset: which there are, and the number that each goes by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edge.errors import DataError
from edge.io.sources.images import SUFFIXES

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)


def pictures(folder: Path) -> list[Path]:
    """The image files in a folder, not those below it, in name order; hidden ones left out.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        found = [p for p in folder.iterdir() if not p.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from error
    return sorted(p for p in found if p.suffix.lower() in SUFFIXES and p.is_file())


def image_ids(paths: Sequence[Path]) -> list[int]:
    """A number for each picture: its name where that is one, else its place from 1."""
    return [
        int(path.stem) if _WHOLE.fullmatch(path.stem) else place
        for place, path in enumerate(paths, 1)
    ]
