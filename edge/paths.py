"""What is at a path, asked once, where a path enters: the answer may also be an error."""

from __future__ import annotations

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
