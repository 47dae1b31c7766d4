"""What a pickle is read as: plain data, and these records of what cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """The name of a class or function, never looked up."""

    name: str


@dataclass(slots=True, eq=False)
class Record:
    """An object of some class, never made.

    Attributes:
        name: Module and class.
        args: What its constructor was given.
        state: Its attributes by name; empty where it has none.
        items: What was appended to it, or set in it as (key, value).
    """

    name: str
    args: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Where numbers lie: a key into the file.

    Attributes:
        key: Name inside the file.
        type: torch's name of the storage, such as "HalfStorage".
        count: Elements; bytes for "UntypedStorage".
    """

    key: str
    type: str
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A strided view of a storage. Numbers are read from the file only when asked for.

    Attributes:
        storage: Where the numbers lie.
        offset: Of the first, in elements.
        shape: Of the tensor.
        strides: In elements.
        dtype: torch's name, where the storage does not say it.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str = ""
