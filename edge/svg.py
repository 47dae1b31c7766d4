"""Images as SVG text, without a library."""

from __future__ import annotations

from html import escape


def document(width: float, height: float, body: str) -> str:
    """A whole file: white paper of that many pixels, and what is drawn on it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="#fff"/>{body}</svg>\n'
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    color: str = "#222",
    size: int = 13,
    anchor: str = "start",
) -> str:
    """Words at a place; what cannot be printed is a question mark.

    Args:
        x: Of the anchor, pixels from the left.
        y: Of the base line, pixels from the top.
        words: Any; they are escaped.
        color: Of the letters, as in CSS.
        size: Of the letters, pixels.
        anchor: "start", "middle" or "end": which part of the words is at x.
    """
    shown = escape("".join(c if c.isprintable() else "?" for c in words))
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}"{place}>{shown}</text>'
