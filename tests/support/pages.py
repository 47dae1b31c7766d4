"""The project's Markdown pages, taken apart: blocks, commands, tables, links, anchors."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (".github", "apps", "calibration", "edge", "native", "tests")
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def all_pages() -> list[Path]:
    """Every page of the repository."""
    results = [page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), *results])


def read(page: str | Path) -> str:
    """The text of a page, by its path in the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language, without the indentation of a list that they stand in."""
    return [
        re.sub(f"(?m)^{indent}", "", content)
        for indent, kind, content in _FENCE.findall(text)
        if kind == language
    ]


def commands(block: str) -> list[list[str]]:
    """The words of each command of a shell block."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def links(text: str) -> Iterator[str]:
    """The targets of links and images."""
    plain = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))
    yield from re.findall(r"\]\(([^)\s]+)\)", plain)


def anchors(text: str) -> set[str]:
    """What the headings of a page are called in links."""
    results: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        results.add(slug if slug not in results else f"{slug}-1")
    return results


def table(text: str, head: str) -> dict[str, list[str]]:
    """The rows of the table whose first heading is `head`: names in code of the first cell, cells.

    Names that share a row have the same cells.
    """
    lines = text.splitlines()
    heads = (i for i, line in enumerate(lines) if line.startswith(f"| {head} |"))
    start = next(i for i in heads if lines[i + 1].startswith("|---"))
    rows: dict[str, list[str]] = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        first, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        for name in re.findall(r"`([^`]+)`", first):
            rows[name] = cells
    return rows
