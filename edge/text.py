"""Text of others, made fit to be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with what could steer or upset a terminal written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
