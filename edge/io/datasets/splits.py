"""The parts of a dataset: what they are for, and which one is meant by a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.errors import DataError

Role = Literal["train", "val", "test"]

_ROLES: dict[str, Role] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a dataset.

    Attributes:
        name: As the data itself has it, such as `valid` or `train2017`; "" for what has no name.
        also: Other names that it may be asked for by.
    """

    name: str
    also: tuple[str, ...] = ()


def role(name: str) -> Role | None:
    """What a part is for by its name: `valid`, `val2017` and `instances_val2017` are all `val`.

    None where no word of the name says so, or two words disagree. Of `siteA/val` the last counts.
    """
    words = re.split(r"[^a-z]+", name.rpartition("/")[2].casefold())
    roles = {_ROLES[word] for word in words if word in _ROLES}
    return roles.pop() if len(roles) == 1 else None


def choose(splits: Sequence[Split], asked: str, where: Path) -> list[Split]:
    """The parts that a name means: that of this name, else all that are for what the name says.

    Raises:
        DataError: There is none; lists what there is.
    """
    named = [split for split in splits if split.name and split.name == asked]
    named = named or [split for split in splits if asked in split.also]
    purpose = _ROLES.get(asked.casefold())
    if not named and purpose is not None:
        named = [split for split in splits if role(split.name) == purpose]
    if not named:
        available = ", ".join(names(splits)) or "none"
        raise DataError(f"{where}: no split {asked!r}; found: {available}")
    return named


def names(splits: Sequence[Split]) -> tuple[str, ...]:
    """Those that can be asked for by name."""
    return tuple(split.name for split in splits if split.name)
