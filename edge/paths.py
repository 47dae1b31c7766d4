"""What is at a path, asked once, where a path enters; and where a user's own files belong."""

from __future__ import annotations

import os
from pathlib import Path

from edge.errors import EdgeError


def exists(path: Path, error: type[EdgeError]) -> bool:
    """Whether something is at a path, links followed.

    `Path.exists` raises an `OSError` of its own for a path that cannot be looked up.

    Args:
        path: Any.
        error: What to raise where that cannot be told.

    Raises:
        EdgeError: Of the type `error`: the path may not be looked up, or cannot be one.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as why:
        raise error(f"{path}: {why.strerror}") from why
    except ValueError as why:  # such as a null character
        raise error(f"{str(path)!r} is not a path") from why
    return True


def cache() -> Path:
    """The user's folder for what can be made or fetched again (`XDG_CACHE_HOME`)."""
    return _base("XDG_CACHE_HOME", ".cache") / "edge"


def state() -> Path:
    """The user's folder for what is worth keeping (`XDG_STATE_HOME`)."""
    return _base("XDG_STATE_HOME", ".local/state") / "edge"


def _base(variable: str, usual: str) -> Path:
    """A base directory of the XDG specification; it says that relative ones are ignored."""
    text = os.environ.get(variable, "")
    return Path(text) if Path(text).is_absolute() else Path.home() / usual
