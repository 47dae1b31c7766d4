"""The part of YAML that a data file needs: scalars, lists and maps, in brackets or by indentation.

Scalars stay text, so that a class named `no` or `1e3` keeps its name. Only the keys that are asked
for are understood; whatever else the file holds is skipped. Aliases, tags, block scalars (`|`, `>`)
and several documents in one file are refused, never guessed.

A parser of all of YAML would be one more dependency of every board, and would read `no` as false.
The tests compare this one with PyYAML's.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from edge.formats.yaml_flow import DEPTH, Node, flow, refuse_indicator, unquoted

__all__ = ["Node", "read"]

_BREAK = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]"
)  # some are breaks, to some
_PLAIN = r"(?![-?:](?:\s|$))(?:[^\s:#]|:(?=\S)|(?<=\S)#|[ \t]+(?=[^\s#]))+"
_TEXT = re.compile(_PLAIN, re.ASCII)  # a no-break space is text
_KEY = re.compile(
    rf"""('(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|(?![\[{{'"&*!|>%@`]){_PLAIN})[ \t]*:(?=[ \t]|$)""",
    re.ASCII,
)
_DASH = re.compile(r"-(?:[ \t]+|$)")
_ANCHOR = re.compile(r"^&[\w-]+(?:[ \t]+|$)", re.ASCII)
_END = re.compile(r"[ \t]*(?:$|(?<=[ \t])#)")


def read(text: str, keys: Collection[str]) -> dict[str, Node]:
    """The values of those top-level keys that are there. A key without a value holds "".

    Raises:
        ValueError: What a key holds is not read here, or the document is no map; says which line.
    """
    if match := _CONTROL.search(text):
        raise ValueError(f"a control character, {match[0]!r}, which YAML does not allow")
    return _Reader(_BREAK.split(text)).document(keys)


class _Reader:
    """Goes through the lines once; `at` is the next."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0

    def document(self, keys: Collection[str]) -> dict[str, Node]:
        while self._content() and self._lines[self._at].startswith(("%", "---")):
            self._lines[self._at] = self._lines[self._at].removeprefix("---").partition("%")[0]
        if not self._content():
            return {}
        if self._lines[self._at].lstrip().startswith("{"):
            node = self._value("", self._lines[self._at], 0, 0)
            whole = node if isinstance(node, dict) else {}
            values = {key: value for key, value in whole.items() if key in keys}
        else:
            values = self._map(self._indent(), 0, keys)
        if self._content() and self._lines[self._at].rstrip() != "...":
            raise self._error("wanted one document, a map of keys")
        return values

    def _content(self) -> bool:
        """Go to the next line that is neither blank nor a comment; whether there is one."""
        while self._at < len(self._lines):
            if self._lines[self._at].lstrip(" \t")[:1] not in ("", "#"):
                return True
            self._at += 1
        return False

    def _indent(self) -> int:
        line = self._lines[self._at]
        text = line.lstrip(" ")
        if text.startswith("\t"):
            raise self._error("a tab in the indentation; YAML takes spaces")
        return len(line) - len(text)

    def _node(self, indent: int, depth: int) -> Node:
        """What begins on this line, at this indent."""
        if depth > DEPTH:
            raise self._error(f"lists and maps more than {DEPTH} deep")
        text = self._lines[self._at][indent:]
        if _DASH.match(text):
            return self._list(indent, depth)
        if _KEY.match(text):
            return self._map(indent, depth)
        return self._value("", text, indent - 1, depth)

    def _list(self, indent: int, depth: int) -> list[Node]:
        items: list[Node] = []
        while self._content() and self._indent() == indent:
            line = self._lines[self._at]
            dash = _DASH.match(line, indent)
            if dash is None:
                break
            inner = dash.end()
            if _DASH.match(line, inner) or _KEY.match(line, inner):  # begins on the dash's line
                self._lines[self._at] = " " * inner + line[inner:]
                items.append(self._node(inner, depth + 1))
            else:
                items.append(self._value("-", line[inner:], indent, depth))
        return items

    def _map(self, indent: int, depth: int, keys: Collection[str] | None = None) -> dict[str, Node]:
        results: dict[str, Node] = {}
        while self._content() and self._indent() == indent:
            line = self._lines[self._at]
            match = _KEY.match(line, indent)
            if match is None:
                break
            key, rest = unquoted(match[1].rstrip(" \t")), line[match.end() :]
            if keys is not None and key not in keys and key != "<<":
                self._skip(rest, indent)
            elif key in results or key == "<<":
                raise self._error(f"the key {key!r} is there twice, or merges another map")
            else:
                results[key] = self._value(key, rest, indent, depth)
        return results

    def _value(self, key: str, rest: str, indent: int, depth: int) -> Node:
        """What follows a key or a dash: on its line, or on the deeper ones below."""
        start = _ANCHOR.sub("", rest.lstrip(" \t"), count=1)
        if start[:1] in ("", "#"):
            self._at += 1
            if not self._content():
                return ""
            inner = self._indent()
            is_beside = key != "-" and _DASH.match(self._lines[self._at], inner) is not None
            if inner > indent or (inner == indent and is_beside):
                return self._node(inner, depth + 1)
            return ""
        try:
            refuse_indicator(start)
            node = self._flow(start, depth) if start[0] in "[{'\"" else self._plain(start, indent)
        except ValueError as error:
            raise self._error(str(error)) from error
        if self._content() and self._indent() > max(indent, 0):
            raise self._error("goes on deeper than the value above it")
        return node

    def _flow(self, start: str, depth: int) -> Node:
        """A value in brackets or quotes, which may end on another line."""
        lines = [start]
        try:
            node, end = flow(start, 0, depth)
        except ValueError:
            lines += self._lines[self._at + 1 :]
            node, end = flow("\n".join(lines), 0, depth)
        text = "\n".join(lines)
        rest = text[end:].partition("\n")[0]
        if not _END.match(rest):
            raise ValueError(f"{rest.strip()[:40]!r} after the value")
        self._at += 1 + text.count("\n", 0, end)
        return node

    def _plain(self, start: str, indent: int) -> str:
        """A scalar without quotes, and the deeper lines that go on with it."""
        words = []
        while match := _TEXT.match(start):
            rest = start[match.end() :].strip(" \t")
            if not _END.match(start, match.end()):
                raise ValueError(f"{rest[:40]!r} after the value")
            words.append(match[0].rstrip(" \t"))
            self._at += 1
            line = self._lines[self._at] if self._at < len(self._lines) else ""
            start = line.lstrip(" ")
            if rest or start[:1] in ("", "#") or len(line) - len(start) <= indent:
                break  # a comment ends it too
        if not words:
            raise ValueError(f"{start[:40]!r} is no value")
        return " ".join(words)

    def _skip(self, rest: str, indent: int) -> None:
        """Pass over the value of a key that nobody asks for."""
        start = rest.strip(" \t")
        if start[:1] in ("[", "{"):  # may end at the start of a line
            try:
                self._flow(start, 0)
            except ValueError:  # damaged, or not read here: the indentation says where it ends
                self._at += 1
        else:
            self._at += 1
        while self._at < len(self._lines):
            line = self._lines[self._at]
            text = line.lstrip(" \t")
            inner = len(line) - len(text)
            continues = inner > indent or text[:1] in ("", "]", "}", ",") or _DASH.match(text)
            if not continues:
                return
            self._at += 1

    def _error(self, why: str) -> ValueError:
        return ValueError(f"line {min(self._at, len(self._lines) - 1) + 1}: {why}")
