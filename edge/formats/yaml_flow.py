"""YAML within a text: lists and maps in brackets, and scalars in or outside quotes."""

from __future__ import annotations

import re
from typing import TypeAlias

Node: TypeAlias = "str | list[Node] | dict[str, Node]"

DEPTH = 16  # of lists and maps in one another
_SPACE = re.compile(r"(?:\s|#[^\n]*)*", re.ASCII)
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_PLAIN = re.compile(
    r"(?![?#]|[-:](?:[\s,\[\]{}]|$))"
    r"(?:[^\s:#,\[\]{}]|:(?=[^\s,\[\]{}])|(?<=\S)#|\s+(?=[^\s#,\[\]{}]))+",
    re.ASCII,  # a no-break space is text
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_ESCAPES = dict(
    zip('0abtnvfre "/\\N_LP', '\0\a\b\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029', strict=True)
)


def flow(text: str, at: int = 0, depth: int = 0) -> tuple[Node, int]:
    """The value that begins at a place in a text, and the place behind it.

    Raises:
        ValueError: It has no end, is damaged, or is YAML that is not read here.
    """
    if depth > DEPTH:
        raise ValueError(f"lists and maps more than {DEPTH} deep")
    opening = text[at : at + 1]
    if opening == "[":
        return _list(text, at + 1, depth)
    if opening == "{":
        return _map(text, at + 1, depth)
    return _scalar(text, at)


def refuse_indicator(text: str) -> None:
    """Let no text pass as a plain scalar that means something else in YAML.

    Raises:
        ValueError: It begins as an alias, a tag or a block scalar does.
    """
    if text.startswith(tuple("&*!|>%@`")):
        raise ValueError(f"{text[:40]!r}: aliases, tags and block scalars are not read")


def unquoted(text: str) -> str:
    """What a scalar stands for: without quotes and escapes, if it has any.

    Raises:
        ValueError: An escape is none of YAML's.
    """
    if text[:1] == "'":
        return _folded(text[1:-1]).replace("''", "'")
    if text[:1] == '"':
        return _ESCAPE.sub(_unescaped, _folded(text[1:-1], escaped=True))
    return _folded(text)


def _list(text: str, at: int, depth: int) -> tuple[list[Node], int]:
    items: list[Node] = []
    at = _space(text, at)
    while text[at : at + 1] != "]":
        node, at = flow(text, at, depth + 1)
        items.append(node)
        at = _separator(text, at, "]")
    return items, at + 1


def _map(text: str, at: int, depth: int) -> tuple[dict[str, Node], int]:
    results: dict[str, Node] = {}
    at = _space(text, at)
    while text[at : at + 1] != "}":
        key, at = _scalar(text, at)
        if key in results:
            raise ValueError(f"the key {key!r} is there twice")
        results[key], at = "", _space(text, at)
        if text[at : at + 1] == ":":
            at = _space(text, at + 1)
            if text[at : at + 1] not in (",", "}"):
                results[key], at = flow(text, at, depth + 1)
        at = _separator(text, at, "}")
    return results, at + 1


def _separator(text: str, at: int, closing: str) -> int:
    """Past the comma and what is blank, to the next item or the closing bracket."""
    at = _space(text, at)
    if text[at : at + 1] == ",":
        return _space(text, at + 1)
    if text[at : at + 1] != closing:
        raise ValueError(f"wanted a comma or {closing!r}, got {text[at : at + 20]!r}")
    return at


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _scalar(text: str, at: int) -> tuple[str, int]:
    pattern = _QUOTED if text[at : at + 1] in ("'", '"') else _PLAIN
    match = pattern.match(text, at)
    if match is None:
        raise ValueError(f"wanted a value, got {text[at : at + 20]!r}")
    refuse_indicator(match[0])
    return unquoted(match[0]), match.end()


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        number = int(code[1:], 16)
        if number <= 0x10FFFF and not 0xD800 <= number < 0xE000:
            return chr(number)
    elif code in _ESCAPES:
        return _ESCAPES[code]
    raise ValueError(
        f"\\{code} is no character; in double quotes a backslash is written twice, in single "
        "quotes once"
    )


def _folded(text: str, *, escaped: bool = False) -> str:
    """Lines that a writer wrapped as one: a break is a blank, or nothing after a backslash."""
    first, *rest = text.split("\n")
    for line in rest:
        part = line.lstrip(" \t")
        if not part and line is not rest[-1]:
            raise ValueError("a blank line in a value")
        backslashes = len(first) - len(first.rstrip("\\"))
        if escaped and backslashes % 2:
            first = first[:-1] + part
        else:
            first = first.rstrip(" \t") + " " + part
    return first
