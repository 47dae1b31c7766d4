"""What must not be shown: the passwords and tokens of this run.

`remember` learns them from addresses, `masked` writes an address without them, `redacted` takes
them out of any text, whoever wrote it. Every error of this package is redacted when it is made.
Numbers, class names and detections never pass through here, so no password can change a result.

An address is taken apart by what people write, not by RFC 3986 alone: a password may hold `/`, `#`,
`?` and `@` as they are. Where it cannot be told what is the password, too much is masked.
"""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

MASK = "***"
TEMPLATE = re.compile(r"\$\{([^}]*)\}")  # ${NAME}, ${NAME|raw}, ${file:PATH}

_SHORT = 4  # characters; a value below that is looked for in the words of others only
_PLAIN = 8  # characters; a value below that is not looked for inside of longer words
_TOKEN = 20  # characters of a user name that is none
_START = re.compile(
    r"\s*(?:(?:csi|images|replay|stdin|test|usb|video):|ffmpeg:(?:.*?\s(?=[a-z][\w+.-]*:/))?)*"
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:/{1,3}|(?:https?|rtmps?|rtsps?|srt):|//)?",
    re.IGNORECASE,
)
_HOST = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]|localhost)(?::\d+)?"
    r"|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)
_KEY = (
    r"[A-Za-z0-9_.-]*(?:pas|pwd|psw|pw|token|secret|key|auth|cred|sign?|session|jwt)[A-Za-z0-9.-]*"
)
_END = r"[&;]|_[A-Za-z]\w*=|#(?:rate|fps|priority)=|$"
_PAIR = re.compile(rf"(?i)(?<![A-Za-z0-9])({_KEY}=)(?!\*\*\*)(.+?)(?={_END})", re.DOTALL)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#(?:39|x27);"}
_ESCAPES = (("x", 2), ("u", 4), ("U", 8))  # kind and digits, as Python's ascii() writes them
# In a text an address ends at a blank or a quote.
_URL_IN_TEXT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/{1,3})([^\s\"'<>]*)@")
_PAIR_IN_TEXT = re.compile(
    rf"(?i)(?<=[?&;/_])({_KEY}=)(?!\*\*\*)([^\s\"'<>]+?)(?={_END}|[,.:;)]*[\s\"'<>])"
)
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|cookie|x-api-key)(\s*[:=]\s*)[^\r\n]+")


def masked(address: str) -> str:
    """An address with three stars for its password, and for a token in place of a user name.

    Args:
        address: A URL, or anything that was given in its place.
    """
    start, end = userinfo(address)
    if start < end:
        user, mark, password = _hidden(address[start:end]).partition(":")
        shown = user if password and len(user) < _TOKEN and "\0" not in user else MASK
        address = f"{address[:start]}{shown}{':' + MASK if mark else ''}{address[end:]}"
    return _PAIR.sub(rf"\1{MASK}", address)


def userinfo(address: str, *, strict: bool = False) -> tuple[int, int]:
    """Where the user and the password of an address are: up to, not including, the "@".

    Args:
        address: A URL, or anything that was given in its place.
        strict: Follow RFC 3986 wherever that makes sense of the address. Else, where another
            reading is possible, take the longer one.

    Returns:
        Two places in the address; the same one twice where it has neither.
    """
    text = _hidden(address)
    found = _START.match(text)
    assert found  # every part of it may be missing
    start = found.end()
    authority = re.split(r"[/?#]", text[start:], maxsplit=1)[0]
    at = text.rfind("@")
    if at < start or (at > start + len(authority) and _HOST.fullmatch(authority)):
        return start, start
    if found["scheme"] is None and ":" not in text[start:at]:
        return start, start  # a name such as a@b.jpg
    if strict:
        user, mark, host = authority.rpartition("@")
        port = host.rpartition("]")[2].partition(":")[2]
        if not port or port.isdecimal():
            return start, start + len(user) if mark else start
    return start, at


def written_out(address: str) -> bool:
    """Whether a secret stands in an address itself, rather than by the name of a `${…}`."""
    text = _hidden(address)
    start, end = userinfo(address)
    user, mark, password = text[start:end].partition(":")
    secrets = [password if mark else user, *(match[2] for match in _PAIR.finditer(text))]
    return any(secret.strip("\0") for secret in secrets)


def remember(address: str) -> None:
    """Learn the secrets of an address, and what its `${…}` stand for as far as they can be had.

    Args:
        address: As a user gave it; an existing file has none.
    """
    if not any(mark in address for mark in ("@", "=", "${")) or _is_file(address):
        return
    for inside in TEMPLATE.findall(address):
        value = template_value(inside)
        if value is not None:
            _secrets.add(value)
    start, end = userinfo(address)
    body = _filled(address[start:])
    ends = [i for i, c in enumerate(body) if c == "@"] if end > start else []
    for at in ends:
        user, mark, password = body[:at].partition(":")
        _secrets.add(password if mark else user)
        if mark and (not password or len(user) >= _TOKEN):
            _secrets.add(user)
        if mark:
            _secrets.add(base64.b64encode(unquote(body[:at]).encode()).decode())
    for match in _PAIR.finditer(_filled(address)):
        _secrets.add(match[2])
        _secrets.add(re.split(r"[/?#]", match[2], maxsplit=1)[0])


def remember_value(value: str) -> None:
    """Learn a secret."""
    _secrets.add(value)


def template_value(inside: str) -> str | None:
    """What `${inside}` stands for; None where that is not there.

    Args:
        inside: `NAME` of the environment, or `file:PATH`, whose first line counts; `|raw` may
            follow.
    """
    name = inside.removesuffix("|raw")
    if not name.startswith("file:"):
        return os.environ.get(name)
    try:
        lines = Path(name[5:]).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    return lines[0].strip() if lines else ""


def redacted(text: str, *, foreign: bool = False) -> str:
    """A text without the secrets of this run, however they are spelled in it.

    Args:
        text: What is to be shown.
        foreign: It is the word of another program, a server or a file. Then also the shortest
            secrets are looked for, which in our own words would be found in every number.
    """
    for pattern in _secrets.patterns(1 if foreign else _SHORT):
        text = pattern.sub(MASK, text)
    text = _HEADER.sub(rf"\1\2{MASK}", text)
    text = _URL_IN_TEXT.sub(_mask_url, text)
    return _PAIR_IN_TEXT.sub(rf"\1{MASK}", text)


def _mask_url(match: re.Match[str]) -> str:
    whole = f"{match[0]}x"
    return masked(whole)[:-1] if written_out(whole) else match[0]  # it may be only an example


def _hidden(address: str) -> str:
    """The address with each `${…}` as null characters, so that what is inside splits nothing."""
    return TEMPLATE.sub(lambda match: "\0" * len(match[0]), address)


def _filled(address: str) -> str:
    """The address with what each `${…}` stands for, where that can be had."""
    return TEMPLATE.sub(lambda match: template_value(match[1]) or match[0], address)


def _is_file(address: str) -> bool:
    try:
        return Path(address).exists()
    except (OSError, ValueError):
        return False


class _Secrets:
    """The values, and a pattern for each that finds it in every spelling."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._patterns: dict[str, re.Pattern[str]] = {}

    def add(self, value: str) -> None:
        """Learn a value, as it is and without percent-encoding."""
        for each in {value, unquote(value)}:
            if each and each != MASK and not TEMPLATE.search(each):
                with self._lock:
                    if each not in self._patterns:
                        self._patterns[each] = re.compile(_pattern(each))

    def patterns(self, shortest: int) -> Iterator[re.Pattern[str]]:
        """Of the values of at least so many characters, the longest first."""
        with self._lock:
            known = sorted(self._patterns.items(), key=lambda item: -len(item[0]))
        return (pattern for value, pattern in known if len(value) >= shortest)


def _pattern(value: str) -> str:
    body = "".join(map(_spellings, value))
    if len(value) >= _PLAIN:
        return body
    # A short one may be a part of other words and numbers: there it is not meant.
    before = r"(?:(?<![A-Za-z0-9.])|(?<=%[0-9A-Fa-f]{2}))" if value[0].isalnum() else ""
    after = r"(?![A-Za-z0-9]|\.\d)" if value[-1].isalnum() else ""
    return before + body + after


def _spellings(character: str) -> str:
    """A character as it is, percent-encoded (also twice), or as JSON, Python and HTML escape it."""
    encoded = "".join(
        f"%(?:25)*{_either(f'{byte:02x}')}" for byte in character.encode("utf-8", "surrogatepass")
    )
    ways = [encoded]  # the character itself comes last: a "%" also begins what is encoded
    if character == " ":
        ways.append(r"\+")
    if character in "\\\"'/":
        ways.append(re.escape(f"\\{character}"))
    if character in _ENTITIES:
        ways.append(_ENTITIES[character])
    if not (character.isascii() and character.isalnum()):
        ways += [rf"\\{kind}{_either(f'{ord(character):0{n}x}')}" for kind, n in _ESCAPES]
    ways.append(re.escape(character))
    return f"(?:{'|'.join(ways)})"


def _either(digits: str) -> str:
    """Hexadecimal digits in either case."""
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in digits)


_secrets = _Secrets()
