"""A source's address with how a run treats it: `rtsp://camera/1#fps=5&priority=2`."""

from __future__ import annotations

import difflib
from pathlib import Path

from edge.errors import SourceError
from edge.io.sources import DEFAULT_RECONNECT, ReconnectPolicy, open_source
from edge.paths import exists
from edge.pipeline.frame_queue import Feed, Policy
from edge.redaction import masked, userinfo

_KEYS = ("fps", "priority")


def open_feed(
    address: str, *, reconnect: ReconnectPolicy = DEFAULT_RECONNECT, policy: Policy | None = None
) -> Feed:
    """The source of an address, with what follows its last "#".

    A URL's own question mark is the server's, and a "#" is never sent to one: so this holds for
    every source. An existing file whose name has a "#" is that file.

    Args:
        address: Of `open_source`; `#fps=FRAMES_PER_SECOND&priority=NUMBER` may follow.
        reconnect: How long a live source is waited for.
        policy: See `Feed`.

    Raises:
        SourceError: Nothing is there, or an option is wrong.
    """
    end = userinfo(address)[1]  # a password may hold a "#"
    bare, mark, text = address[end:].rpartition("#")
    bare = address[:end] + bare
    if not mark or ("://" not in address and exists(Path(address), SourceError)):
        return Feed(open_source(address, reconnect), policy=policy, name=masked(address))
    given: dict[str, float] = {}
    for item in text.split("&"):
        key, _, value = item.partition("=")
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            # Anything else may be a piece of a password, and is not said again.
            hint = f", got {key!r}; did you mean {near[0]}?" if near else ""
            raise SourceError(
                f"{masked(bare)}: what follows # is {' or '.join(_KEYS)}=NUMBER{hint}; "
                "a # of the URL itself is written %23"
            )
        if key in given:
            raise SourceError(f"{masked(bare)}: {key} is given twice")
        try:
            given[key] = float(value)
        except ValueError:
            raise SourceError(f"{masked(bare)}: {key} is a number, got {value!r}") from None
    source = open_source(bare, reconnect)
    try:
        return Feed(source, given.get("fps"), given.get("priority", 1.0), policy, name=masked(bare))
    except ValueError as error:
        source.close()
        raise SourceError(f"{masked(bare)}: {error}") from None
