"""Names of classes, from the small files that lie beside YOLO labels."""

from __future__ import annotations

import re
from pathlib import Path

from edge.errors import DataError

_KEY = re.compile(r"names\s*:(.*)")
_ITEM = re.compile(r"-\s+(.*)")
_PAIR = re.compile(r"(\d+)\s*:\s+(.*)")
_ENTRY = re.compile(
    r"""\s*(?:(\d+)\s*:\s+)?
    ('(?:[^']|'')*' | "(?:[^"\\]|\\.)*" | [^\s,'"\[\]{}][^,\[\]{}]*)
    \s*(?:,|$)""",
    re.VERBOSE,
)


def read_lines(path: Path) -> tuple[str, ...]:
    """The names in a file with one per line, such as `classes.txt`.

    Raises:
        DataError: It cannot be read.
    """
    names = [line.strip() for line in read_text(path).splitlines()]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def read_yaml(path: Path) -> tuple[str, ...] | None:
    """The value of the top-level key `names` in a YAML file; None where there is no such key.

    Read is what tools write: a list in brackets or one `- name` per line, a map from class id to
    name in braces or one `0: name` per line; plain or quoted. Anchors, tags, block scalars and
    nested values are not YAML that is read here.

    Raises:
        DataError: It cannot be read, or the names have another form.
    """
    lines = [_uncommented(line) for line in read_text(path).splitlines()]
    for number, line in enumerate(lines):
        match = _KEY.fullmatch(line)
        if match is None:
            continue
        value = match[1].strip()
        if value[:1] in ("[", "{"):
            for more in lines[number + 1 :]:
                if value.endswith("]" if value[0] == "[" else "}"):
                    break
                value += " " + more.strip()
            return _flow(value, path)
        if value:
            break
        return _block(lines[number + 1 :], path)
    else:
        return None
    raise _unread(path, value)


def read_text(path: Path) -> str:
    """The text of a file, UTF-8 with or without a byte order mark.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _flow(value: str, path: Path) -> tuple[str, ...]:
    closing = "]" if value[0] == "[" else "}"
    if not value.endswith(closing):
        raise _unread(path, value)
    inside, place = value[1:-1].strip(), 0
    found: list[tuple[str | None, str]] = []
    while place < len(inside):
        match = _ENTRY.match(inside, place)
        if match is None or match.end() == place:
            raise _unread(path, inside[place:])
        found.append((match[1], match[2]))
        place = match.end()
    return _ordered(found, path, keyed=closing == "}")


def _block(lines: list[str], path: Path) -> tuple[str, ...]:
    found: list[tuple[str | None, str]] = []
    keyed = False
    for line in lines:
        text = line.strip()
        if not text:
            continue
        item, pair = _ITEM.fullmatch(text), _PAIR.fullmatch(text)
        if item is not None and not keyed:
            found.append((None, item[1]))
        elif pair is not None and line[0] == " " and (keyed or not found):
            keyed = True
            found.append((pair[1], pair[2]))
        elif line[0] == " ":
            raise _unread(path, text)
        else:
            break  # the next key
    return _ordered(found, path, keyed=keyed)


def _ordered(found: list[tuple[str | None, str]], path: Path, *, keyed: bool) -> tuple[str, ...]:
    if not found:
        raise _unread(path, "nothing")
    if not keyed:
        return tuple(_plain(f"{key}: {text}" if key is not None else text) for key, text in found)
    names = {int(key): _plain(text) for key, text in found if key is not None}
    if sorted(names) != list(range(len(found))):
        raise DataError(f"{path}: names are for the class ids 0 to {len(found) - 1}, each once")
    return tuple(names[i] for i in range(len(names)))


def _plain(text: str) -> str:
    text = text.strip()
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    if text[:1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _uncommented(line: str) -> str:
    """The line without a comment: a # at its start or after a blank, outside quotes."""
    quote = ""
    for place, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and line[:place].rstrip()[-1:] in ("", ",", ":", "-", "[", "{"):
            quote = character
        elif character == "#" and (place == 0 or line[place - 1] in " \t"):
            return line[:place].rstrip()
    return line.rstrip()


def _unread(path: Path, found: str) -> DataError:
    return DataError(
        f"{path}: 'names' is a list or a map from class id to name, on one line or one name per "
        f"line; found {found[:60]!r}"
    )
