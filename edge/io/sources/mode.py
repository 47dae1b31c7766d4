"""What a camera is asked for: `usb:0?size=1280x720&fps=30&format=MJPG`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass

from edge.errors import SourceError
from edge.types import Size

SIDES = (16, 16384)
RATES = (0.1, 1000.0)


@dataclass(frozen=True, slots=True)
class Mode:
    """Size, frames per second and pixel format; None where anything will do."""

    size: Size | None = None
    rate: float | None = None
    format: str | None = None

    @classmethod
    def parse(cls, target: str, formats: Collection[str]) -> tuple[str, Mode]:
        """Split "0?size=640x480&fps=15" into what comes before the question mark, and the mode.

        Args:
            target: Of an address.
            formats: That may be asked for; none: no option `format`.

        Raises:
            SourceError: An option is unknown, given twice, or out of range.
        """
        name, _, query = target.partition("?")
        keys = ["size", "fps", *(["format"] if formats else [])]
        given: dict[str, str] = {}
        for item in query.split("&") if query else ():
            key, _, value = item.partition("=")
            if key not in keys:
                near = difflib.get_close_matches(key, keys, 1)
                # Anything else may be a piece of a password, and is not said again.
                hint = f", got {key!r}; did you mean {near[0]}?" if near else ""
                raise SourceError(f"{target}: its options are {', '.join(keys)}{hint}")
            if key in given:
                raise SourceError(f"{target}: {key} is given twice")
            given[key] = value
        size = _size(target, given["size"]) if "size" in given else None
        rate = _rate(target, given["fps"]) if "fps" in given else None
        form = given.get("format")
        if form is not None and form not in formats:
            raise SourceError(f"{target}: format is one of {', '.join(formats)}, got {form!r}")
        return name, cls(size, rate, form)


def _size(target: str, text: str) -> Size:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    low, high = SIDES
    if match is None or not all(low <= int(side) <= high for side in match.groups()):
        raise SourceError(
            f"{target}: size is WIDTHxHEIGHT, as in 640x480, each from {low} to {high}, "
            f"got {text!r}"
        )
    return Size(int(match[2]), int(match[1]))


def _rate(target: str, text: str) -> float:
    low, high = RATES
    if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text) or not low <= float(text) <= high:
        raise SourceError(f"{target}: fps is from {low:g} to {high:g}, got {text!r}")
    return float(text)
