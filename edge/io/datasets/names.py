"""Names of classes, and the small text files that lie beside YOLO labels."""

from __future__ import annotations

import stat
from pathlib import Path

from edge.errors import DataError
from edge.formats import yaml

_MAX_BYTES = 256 << 20  # of a text file; no label file, nor a list of a million images, is larger


def read_lines(path: Path) -> tuple[str, ...]:
    """The names in a file with one per line, such as `classes.txt`.

    Raises:
        DataError: It cannot be read.
    """
    names = [line.strip() for line in read_text(path).splitlines()]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def read_text(path: Path, max_bytes: int | None = _MAX_BYTES) -> str:
    """The text of a file, UTF-8 with or without a byte order mark.

    Args:
        path: A regular file, or a link to one.
        max_bytes: That it may have; None for any number.

    Raises:
        DataError: It cannot be read, or is too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: not a file")
        if max_bytes is not None and status.st_size > max_bytes:
            raise DataError(f"{path}: {status.st_size} bytes; at most {max_bytes} are read")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from error


def class_names(node: yaml.Node, file: Path) -> tuple[str, ...]:
    """The names that the key `names` of a YAML file holds: a list, or a map from class id to name.

    Args:
        node: Its value.
        file: The file, for messages.

    Raises:
        DataError: The value has another form, or the class ids are not 0 to N - 1.
    """
    values = list(node.values()) if isinstance(node, dict) else node
    names = [value for value in values if isinstance(value, str)] if values else []
    if isinstance(node, str) or not values or len(names) < len(values):
        raise DataError(
            f"{file}: 'names' is a list of names or a map from class id to name; found "
            f"{str(node)[:60]!r}"
        )
    if not isinstance(node, dict):
        return tuple(names)
    if sorted(node) != sorted(map(str, range(len(node)))):
        raise DataError(f"{file}: names are for the class ids 0 to {len(node) - 1}, each once")
    by_id = dict(zip(node, names, strict=True))
    return tuple(by_id[str(i)] for i in range(len(node)))
