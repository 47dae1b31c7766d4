"""TOML: read by the standard library's parser, written in the few forms that we use."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from edge.errors import ModelError


def loads(data: bytes, name: str) -> dict[str, Any]:
    """Parse a document.

    Args:
        data: UTF-8 text.
        name: Of the file, for the message.

    Raises:
        ModelError: It is not TOML.
    """
    try:
        document: dict[str, Any] = tomllib.loads(data.decode())
        return document
    except (ValueError, RecursionError) as error:  # ValueError also for a number of many digits
        raise ModelError(f"{name}: not valid TOML: {error}") from error


def dumps(document: Mapping[str, Any]) -> bytes:
    """Text of a document of strings, numbers, booleans, lists, tables and lists of tables.

    Raises:
        TypeError: A value is of another type.
        UnicodeEncodeError: A text holds half a surrogate pair, as a file name that is no text does.
    """
    lines: list[str] = []
    _table(document, (), lines)
    return ("\n".join(lines).strip() + "\n").encode()


def _table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    for key, value in table.items():
        if not isinstance(value, Mapping) and not _is_tables(value):
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in table.items():
        inner = (*path, _key(key))
        if isinstance(value, Mapping):
            lines.extend(["", f"[{'.'.join(inner)}]"])
            _table(value, inner, lines)
        elif _is_tables(value):
            for item in value:
                lines.extend(["", f"[[{'.'.join(inner)}]]"])
                _table(item, inner, lines)


def _is_tables(value: object) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], Mapping)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _string(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _string(value)
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case _:
            raise TypeError(f"cannot write a {type(value).__name__} as TOML")


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but JSON leaves DEL as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
