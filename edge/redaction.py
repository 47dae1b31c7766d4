"""What must not be shown: the passwords and tokens of this run.

`remember` learns them from an address, `masked` writes an address without them, `redacted` takes
them out of any text, whoever wrote it. Every error of this package is redacted when it is made.
Numbers, class names and detections never pass through here, so no password can change a result.

Two kinds of things are known. An address that was given is replaced as a whole by its masked form,
and what was masked stays as it is: so a password that is a number or a word of the address leaves
the rest of it, and all our own words, alone. Beside it the values themselves are known: they are
looked for in every spelling, the shortest in the words of others only.

An address is taken apart by what people write, not by RFC 3986 alone: a password may hold `/`, `#`,
`?` and `@` as they are. Where it cannot be told what is the password, too much is masked.
"""

from __future__ import annotations

import base64
import glob
import os
import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
TEMPLATE = re.compile(r"\$\{([^${}]*)\}")  # ${NAME}, ${NAME|raw}, ${file:PATH}

_SHORT = 4  # characters; a value below that is looked for in the words of others only
_PLAIN = 8  # characters; a value below that is not looked for inside of longer words
_LONG = 200  # characters; a value above that is looked for in its usual spellings only
_TOKEN = 20  # characters of a user name that is none

_PREFIX = re.compile(r"(?:csi|images|replay|stdin|test|usb|video):", re.IGNORECASE)
_SCHEME = re.compile(
    r"(?:(?:async|cache|concat|crypto|tls):){0,3}"  # of FFmpeg, before another one
    r"(?:[A-Za-z][A-Za-z0-9+.-]{0,30}:/{1,3}|(?:https?|rtmps?|rtsps?|srt):|//)"
)
_HOST = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]|localhost)(?::\d+)?"
    r"|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)
_KEY = re.compile(r"(?<![A-Za-z0-9.%\[\]-])([A-Za-z0-9.%-]{1,64}(?:\[\])?)=")
_SECRET_WORDS = frozenset(
    {"apikey", "auth", "authorization", "cred", "credential", "credentials", "jwt", "key", "pin"}
    | {"pw", "session", "sessionid", "sid", "sig", "sign", "signature", "streamid"}
)
_SECRET_ENDS = ("pas", "pass", "passphrase", "passwd", "password", "psw", "pwd", "secret", "token")
_END = re.compile(r"[&;]|_[A-Za-z][A-Za-z0-9]{0,40}=|#(?:fps|priority)=")
# In a text an address ends at a blank or a quote, before what ends a sentence.
_END_IN_TEXT = re.compile(rf"{_END.pattern}|[,.:;)\]]*(?=[\s\"'<>]|$)|[\s\"'<>]")
_URL_IN_TEXT = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,30}:/{1,3}[^\s\"'<>]+")
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|cookie|x-[a-z-]{0,30}(?:key|token))(\s*[:=]\s*)[^\r\n]+"
)
# Options of FFmpeg whose value is a secret, or holds one.
_OPTION = re.compile(
    r"-(?:headers|cookies|[a-z_]{0,30}(?:key|pass|passphrase|password|token|secret))"
)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#(?:39|x27);"}
_ESCAPED = {"\n": "n", "\t": "t", "\r": "r"}
_ESCAPES = (("x", 2), ("u", 4), ("U", 8))  # kind and digits, as Python's ascii() writes them


def masked(address: str) -> str:
    """An address with three stars for its password, and for a token in place of a user name.

    Args:
        address: A URL, or anything that was given in its place.
    """
    if address[:7].lower() == "ffmpeg:":
        words = ffmpeg_words(address[7:])
        secret = [False, *(bool(_OPTION.fullmatch(word)) for word in words[:-1])]
        shown = [MASK if s else masked(w) for s, w in zip(secret, words, strict=True)]
        return address[:7] + " ".join(shown)
    start, end = userinfo(address)
    if start < end:
        user, mark, password = _hidden(address[start:end]).partition(":")
        name = user if password and len(user) < _TOKEN and "\0" not in user else MASK
        address = f"{address[:start]}{name}{':' + MASK if mark else ''}{address[end:]}"
    else:
        inner = _SCHEME.search(address, start + 1)
        if inner is not None and "@" in address[inner.end() :]:  # a URL in the query of another
            return masked(address[: inner.start()]) + masked(address[inner.start() :])
    return _mask_values(address, _END)


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
    start = len(text) - len(text.lstrip())
    while prefix := _PREFIX.match(text, start):
        start = prefix.end()
    scheme = _SCHEME.match(text, start)
    start = scheme.end() if scheme else start
    authority = re.split(r"[/?#]", text[start:], maxsplit=1)[0]
    at = text.rfind("@")
    user, mark, host = authority.rpartition("@")
    if at < start or (not mark and _HOST.fullmatch(authority)):
        return start, start
    if scheme is None and not re.match(r"[^\s:@]*:\S*@", text[start:]):
        return start, start  # a name such as a@b.jpg, or a sentence
    if mark and _HOST.fullmatch(host):
        return start, start + len(user)  # a further "@" is of the path
    if strict:
        port = host.rpartition("]")[2].partition(":")[2]
        if not port or port.isdecimal():
            return start, start + len(user) if mark else start
    return start, at


def written_out(address: str) -> bool:
    """Whether a secret stands in an address itself, rather than by the name of a `${…}`."""
    if is_file(address):
        return False
    plain = TEMPLATE.sub("", address)
    start, end = userinfo(plain)
    user, mark, password = plain[start:end].partition(":")
    if address[:7].lower() == "ffmpeg:" or not start < end:
        return masked(plain) != plain
    return bool(password if mark else user)


def remember(address: str) -> None:
    """Learn the secrets of an address, and what its `${…}` stand for as far as they can be had.

    Args:
        address: As a user gave it; an existing file has none.
    """
    if not any(mark in address for mark in ("@", "=", "${", "ffmpeg:")) or is_file(address):
        return
    shown = masked(address)
    if shown != address:
        _secrets.add_address(address, shown)
    if address[:7].lower() == "ffmpeg:":
        words = ffmpeg_words(address[7:])
        for option, word in zip(["", *words], words, strict=False):
            if _OPTION.fullmatch(option):
                for value in (word, *re.split(r"[:=]\s*|\r?\n", _filled(word))[1:]):
                    _secrets.add(value)
            remember(word)
        return
    for inside in TEMPLATE.findall(address):
        value = template_value(inside)
        if value is not None:
            _secrets.add(value)
    for strict in (True, False):
        start, end = userinfo(address, strict=strict)
        user, mark, password = _filled(address[start:end]).partition(":")
        if mark:
            _secrets.add(password)
            login = os.fsencode(unquote(f"{user}:{password}", errors="surrogateescape"))
            _secrets.add(base64.b64encode(login).decode().rstrip("="))
        if not mark or not password or len(user) >= _TOKEN:
            _secrets.add(user)
    filled = _filled(address)
    for start, end in _value_places(filled, _END):
        value = filled[start:end]
        _secrets.add(value)
        _secrets.add(re.split(r"[/?#]", value, maxsplit=1)[0])


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
    parts = []
    for part, address in _secrets.split(text):
        if not address:
            for pattern in _secrets.patterns(1 if foreign else _SHORT):
                part = pattern.sub(MASK, part)
        parts.append(part)
    text = _HEADER.sub(rf"\1\2{MASK}", "".join(parts))
    text = _URL_IN_TEXT.sub(_mask_url, text)
    return _mask_values(text, _END_IN_TEXT)


def ffmpeg_words(target: str) -> list[str]:
    """The arguments that follow "ffmpeg:"; split at blanks where the quotes do not match."""
    if re.match(r"\w+://\S+$", target):  # a password may hold what a shell reads as a quote
        return [target]
    try:
        return shlex.split(target)
    except ValueError:
        return target.split()


def is_file(address: str) -> bool:
    """Whether an address is the path of something that exists, or a pattern of such paths."""
    path = _PREFIX.sub("", address, count=1)
    try:
        if Path(path).exists():
            return True
        return glob.has_magic(path) and next(glob.iglob(path), None) is not None  # noqa: PTH207
    except (OSError, ValueError, re.error):
        return False


def _mask_url(match: re.Match[str]) -> str:
    """A URL in a text; one that only shows how a password is named stays."""
    url = match[0].rstrip(",.:;)]")
    return (masked(url) if written_out(url) else url) + match[0][len(url) :]


def _mask_values(text: str, end: re.Pattern[str]) -> str:
    parts, at = [], 0
    for start, stop in _value_places(text, end):
        parts += [text[at:start], MASK]
        at = stop
    return "".join(parts) + text[at:]


def _value_places(text: str, end: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Where the values of `password=…` and the like begin and end."""
    at = 0
    while key := _KEY.search(text, at):
        at = key.end()
        # In a text "key=5" may be said of anything; a part of an address follows one of these.
        apart = key.start() and text[key.start() - 1] in "?&;/_"
        if _is_secret(key[1]) and (apart or end is _END):
            ending = end.search(text, at)
            stop = ending.start() if ending else len(text)
            if at < stop and text[at:stop] != MASK:
                yield at, stop
            at = max(at, stop)


def _is_secret(key: str) -> bool:
    words = re.split(r"[.-]", unquote(key).removesuffix("[]").lower())
    return any(
        word in _SECRET_WORDS or (word.endswith(_SECRET_ENDS) and word not in ("bypass", "compass"))
        for word in words
    )


def _hidden(address: str) -> str:
    """The address with each `${…}` as null characters, so that what is inside splits nothing."""
    return TEMPLATE.sub(lambda match: "\0" * len(match[0]), address)


def _filled(address: str) -> str:
    """The address with what each `${…}` stands for, where that can be had."""
    return TEMPLATE.sub(lambda match: template_value(match[1]) or match[0], address)


class _Secrets:
    """The addresses with their masked forms; the values, each with a pattern for its spellings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[str, str] = {}  # address, or a masked one, to what is shown
        self._addresses: re.Pattern[str] | None = None
        self._patterns: dict[str, re.Pattern[str] | None] = {}  # longest first, compiled when used

    def add_address(self, address: str, shown: str) -> None:
        """Learn an address as a whole, as messages may write it, and its masked form."""
        bare = _PREFIX.sub("", address.strip(), count=1)
        ways = {address, address.strip(), bare, bare.replace("//", "/")}
        with self._lock:
            for way in ways | {repr(each)[1:-1] for each in ways}:
                self._shown[way] = masked(way)
            for name in (shown, masked(bare)):
                self._shown[name] = name
            longest = sorted(self._shown, key=len, reverse=True)
            self._addresses = re.compile("|".join(map(re.escape, longest)))

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """The parts of a text, and whether each is an address, which is then already masked."""
        at = 0
        for match in self._addresses.finditer(text) if self._addresses else ():
            yield text[at : match.start()], False
            yield self._shown[match[0]], True
            at = match.end()
        yield text[at:], False

    def add(self, value: str) -> None:
        """Learn a value, as it is and without percent-encoding."""
        new = {value, unquote(value, errors="surrogateescape")}
        with self._lock:
            new = {v for v in new if v and v != MASK and not TEMPLATE.search(v)}
            if not new <= self._patterns.keys():
                known = {**dict.fromkeys(new), **self._patterns}
                self._patterns = dict(sorted(known.items(), key=lambda item: -len(item[0])))

    def patterns(self, shortest: int) -> Iterator[re.Pattern[str]]:
        """Of the values of at least so many characters, the longest first."""
        for value, pattern in self._patterns.items():
            if len(value) >= shortest:
                if pattern is None:
                    pattern = self._patterns[value] = re.compile(_pattern(value))
                yield pattern


def _pattern(value: str) -> str:
    if len(value) > _LONG:
        encoded = os.fsencode(value)
        ways = {
            value,
            repr(value)[1:-1],
            quote(encoded),
            quote(encoded, safe=""),
            quote_plus(encoded),
        }
        return "|".join(map(re.escape, ways))
    body = "".join(map(_spellings, value))
    if len(value) >= _PLAIN:
        return body + "={0,2}"  # the padding, of base64
    # A short one may be a part of other words and numbers: there it is not meant.
    before = (
        r"(?:(?<![A-Za-z0-9.])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))" if value[0].isalnum() else ""
    )
    after = r"(?![A-Za-z0-9]|\.\d)" if value[-1].isalnum() else ""
    return before + body + after


def _spellings(character: str) -> str:
    """A character as it is, percent-encoded (also twice), or as JSON, Python and HTML escape it."""
    encoded = "".join(f"%(?:25)*{_either(f'{byte:02x}')}" for byte in _bytes(character))
    ways = [encoded]  # the character itself comes last: a "%" also begins what is encoded
    if character == " ":
        ways.append(r"\+")
    if character in _ESCAPED:
        ways.append(rf"\\{_ESCAPED[character]}")
    if character in "\\\"'/":
        ways.append(re.escape(f"\\{character}"))
    if character in _ENTITIES:
        ways.append(_ENTITIES[character])
    if not (character.isascii() and character.isalnum()):
        ways += [rf"\\{kind}{_either(f'{ord(character):0{n}x}')}" for kind, n in _ESCAPES]
    ways.append(re.escape(character))
    return f"(?:{'|'.join(ways)})"


def _bytes(character: str) -> bytes:
    try:
        return os.fsencode(character)
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return character.encode("utf-8", "surrogatepass")


def _either(digits: str) -> str:
    """Hexadecimal digits in either case."""
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in digits)


_secrets = _Secrets()
