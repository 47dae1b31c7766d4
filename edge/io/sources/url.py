"""The URL of a stream as it is opened: with its secrets, whatever characters they hold."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from edge import redaction
from edge.errors import SourceError

_URL = re.compile(r"\s*(?:\w+:){0,3}[A-Za-z][A-Za-z0-9+.-]*://")
_ENCODED = re.compile(r"(%[0-9A-Fa-f]{2})")


def expand(address: str) -> str:
    """An address with what `${NAME}` and `${file:PATH}` stand for.

    NAME is of the environment; of a file the first line counts. In the user name and password of a
    URL the value is percent-encoded, so that any password will do, and so are the characters that
    may not stand there as they are; `${NAME|raw}` is put in as it is. Elsewhere every value is.

    Raises:
        SourceError: A secret is not there, or empty; the message names it and does not show it. Or
            it cannot be told where the password ends.
    """
    redaction.remember(address)
    start, end = _userinfo(address) if _URL.match(address) else (0, 0)
    parts = redaction.TEMPLATE.split(address[start:end])
    user = "".join(_inside(p) if i % 2 else _allowed(p) for i, p in enumerate(parts))
    before, after = (
        redaction.TEMPLATE.sub(lambda match: _value(match[1]), text)
        for text in (address[:start], address[end:])
    )
    return f"{before}{user}{after}"


def _userinfo(address: str) -> tuple[int, int]:
    """Where user and password are; the same part that is masked, so that none is sent elsewhere."""
    strict = redaction.userinfo(address, strict=True)
    if strict != redaction.userinfo(address) and ":" in re.split(r"[/?#]", address[strict[0] :])[0]:
        raise SourceError(
            f"{redaction.masked(address)}: it cannot be told where the password ends; in it / is "
            "written %2F, # %23, ? %3F and @ %40, or name it, as in USER:${PASSWORD}@HOST"
        )
    return strict


def _inside(template: str) -> str:
    value = _value(template)
    return value if template.endswith("|raw") else quote(os.fsencode(value), safe="")


def _allowed(text: str) -> str:
    """A part of a user name and password as RFC 3986 wants it; what is encoded already stays."""
    parts = _ENCODED.split(text)
    return "".join(
        p if i % 2 else quote(os.fsencode(p), safe=":!$&'()*+,;=") for i, p in enumerate(parts)
    )


def _value(template: str) -> str:
    name = template.removesuffix("|raw")
    value = redaction.template_value(template)
    if value is None:
        raise SourceError(f"secret {name}: {_why_missing(name)}")
    if not value:
        raise SourceError(f"secret {name}: it is empty")
    redaction.remember_value(value)
    return value


def _why_missing(name: str) -> str:
    if not name.startswith("file:"):
        return "no such variable in the environment"
    try:
        Path(name[5:]).read_text(encoding="utf-8")
    except OSError as error:
        return error.strerror or str(error)
    except ValueError:
        return "not a file of UTF-8 text"
    return "it cannot be read"
