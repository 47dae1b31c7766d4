"""The URL of a stream as it is opened: with its secrets, whatever characters they hold."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from edge import redaction
from edge.errors import SourceError

_ENCODED = re.compile(r"(%[0-9A-Fa-f]{2})")


def expand(address: str) -> str:
    """An address with what `${NAME}` and `${file:PATH}` stand for.

    NAME is of the environment; of a file the first line counts. In the user name and password of a
    URL the value is percent-encoded, so that any password will do, and so are the characters that
    may not stand there as they are; `${NAME|raw}` is put in as it is. Elsewhere every value is.

    Raises:
        SourceError: A secret is not there, or empty. The message names it and does not show it.
    """
    redaction.remember(address)
    start, end = redaction.userinfo(address, strict=True) if "://" in address else (0, 0)
    parts = redaction.TEMPLATE.split(address[start:end])
    user = "".join(_inside(p) if i % 2 else _allowed(p) for i, p in enumerate(parts))
    before, after = (
        redaction.TEMPLATE.sub(lambda match: _value(match[1]), text)
        for text in (address[:start], address[end:])
    )
    return f"{before}{user}{after}"


def _inside(template: str) -> str:
    value = _value(template)
    return value if template.endswith("|raw") else quote(value, safe="")


def _allowed(text: str) -> str:
    """A part of a user name and password as RFC 3986 wants it; what is encoded already stays."""
    parts = _ENCODED.split(text)
    return "".join(p if i % 2 else quote(p, safe=":!$&'()*+,;=") for i, p in enumerate(parts))


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
