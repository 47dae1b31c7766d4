"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from edge.redaction import redacted

# ok: as it should be. note: worth knowing. warning: will hurt. error: `edge run` will not work.
Level: TypeAlias = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about this machine. No secret of the run is in it.

    Attributes:
        check: What was looked at, in one word or two.
        level: How bad it is.
        what: What was found.
        why: Why it matters; empty when all is well.
        fix: The command that fixes it, or what to do; empty when there is nothing to do.
    """

    check: str
    level: Level
    what: str
    why: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        for name in ("what", "why", "fix"):
            object.__setattr__(self, name, redacted(getattr(self, name)))
