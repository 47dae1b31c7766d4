"""Paths that a dataset names, found where the dataset lies now.

Data files travel: `../train/images` may mean the folder beside the file (Roboflow), a path may be
relative to the working directory (YOLOv5 to 7), or come from another machine, or from Windows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from edge.errors import DataError
from edge.paths import exists

_ELSEWHERE = re.compile(r"[A-Za-z]:[\\/]|\\\\|[a-z]+://")  # a drive, a share, an address


@dataclass(frozen=True, slots=True)
class Located:
    """A path that was found.

    Attributes:
        path: It.
        is_moved: Whether only the end of what was said was found: the rest is another machine's.
    """

    path: Path
    is_moved: bool = False


def locate(text: str, folders: Sequence[Path], *, working: bool = True) -> Located | None:
    """Where a path that a file names lies; None where it lies nowhere.

    Taken is the first that exists of: the very path in each folder; without leading `..`; in the
    working directory; and of a path that is absolute or leads out of the folder, the longest end
    that lies in one of the folders. Of `v2/images` in a folder without `v2`, no end is taken.

    Args:
        text: The path, with slashes or backslashes.
        folders: That it may be relative to, the likeliest first.
        working: Whether it may be relative to the working directory.

    Raises:
        DataError: It cannot be a path, or may not be looked up.
    """
    for candidate in _candidates(text, folders, working=working):
        if exists(candidate.path, DataError):
            return candidate
    return None


def _candidates(text: str, folders: Sequence[Path], *, working: bool) -> Iterator[Located]:
    path = Path(text).expanduser() if text.startswith("~/") else Path(text)
    for folder in folders:
        yield Located(folder / path)  # an absolute path stays itself
    is_elsewhere = _ELSEWHERE.match(text) is not None
    parts = _parts(text)
    inside = parts[next((i for i, part in enumerate(parts) if part != ".."), len(parts)) :]
    if not inside:
        return
    if not path.is_absolute() and not is_elsewhere:
        for folder in folders:
            yield Located(folder.joinpath(*parts))
        for folder in folders:
            yield Located(folder.joinpath(*inside))
        if working:
            yield Located(Path(*parts))
    if path.is_absolute() or is_elsewhere or inside != parts:
        for start in range(len(inside)):
            if inside[start:] != ["images"]:  # of any split
                yield from (Located(folder.joinpath(*inside[start:]), True) for folder in folders)


def _parts(text: str) -> list[str]:
    """The names in a path, without a drive or root."""
    pure = PureWindowsPath(text) if "\\" in text else PurePosixPath(text)
    return [part for part in pure.parts if part != pure.anchor and not _ELSEWHERE.match(f"{part}/")]
