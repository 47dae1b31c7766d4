"""A source that needs no camera: `test:conveyor`, parts on a moving belt."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.conveyor import SEEDS, SIDES, Conveyor
from edge.errors import SourceError
from edge.types import Frame, Size

RATE = 30.0
_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Scene:
    """What `test:conveyor?seed=N&frames=N&size=WxH` says.

    Attributes:
        seed: Which scene.
        frames: How many frames; 0: without end.
        size: Of a frame.
    """

    seed: int = 1  # within 100 frames it shows every class, a heap and an empty belt
    frames: int = 0
    size: Size = Size(480, 640)  # noqa: RUF009 - immutable

    def __str__(self) -> str:
        return f"test:conveyor?seed={self.seed}&size={self.size.width}x{self.size.height}"

    @classmethod
    def parse(cls, target: str) -> Scene:
        """Read what follows "test:".

        Raises:
            SourceError: It is not `conveyor`, or an option is unknown, given twice or out of range.
        """
        name, _, query = target.partition("?")
        if name != "conveyor":
            raise SourceError(f"test:{target}: the test source is test:conveyor, got {name!r}")
        given: dict[str, str] = {}
        for item in query.split("&") if query else ():
            key, _, value = item.partition("=")
            if key not in ("seed", "frames", "size"):
                raise SourceError(f"test:{target}: its options are seed=N, frames=N, size=WxH")
            if key in given:
                raise SourceError(f"test:{target}: {key} is given twice")
            given[key] = value
        default = cls()
        return cls(
            _whole(target, "seed", given.get("seed", str(default.seed)), SEEDS - 1),
            _whole(target, "frames", given.get("frames", str(default.frames)), _MOST),
            _size(target, given["size"]) if "size" in given else default.size,
        )


def open_source(target: str) -> ConveyorSource:
    """The scene of `conveyor?seed=N&frames=N&size=WxH`, every option of which may be left out.

    Raises:
        SourceError: The address is not of that form.
    """
    return ConveyorSource(Scene.parse(target))


class ConveyorSource:
    """Renders frames as fast as they are taken, timed as a camera of 30 frames/s would."""

    live = False
    rate = RATE
    files: tuple[Path, ...] = ()

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._conveyor = Conveyor(scene.seed, scene.size)

    @property
    def count(self) -> int | None:
        """How many there are; None: without end."""
        return self._scene.frames or None

    def __iter__(self) -> Iterator[Frame]:
        """Each frame; time is the position in the scene."""
        address = str(self._scene)
        for index in itertools.islice(itertools.count(), self.count):
            image, _ = self._conveyor.render(index)
            yield Frame((image,), "BGR", index, index / RATE, address)

    def stop(self) -> None:
        """Nothing here waits for anything."""

    def close(self) -> None:
        """Nothing is held open."""


def _whole(target: str, key: str, text: str, limit: int) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > limit:
        raise SourceError(f"test:{target}: {key} is a whole number from 0 to {limit}, got {text!r}")
    return int(text)


def _size(target: str, text: str) -> Size:
    low, high = SIDES
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if match is None or not all(low <= int(side) <= high for side in match.groups()):
        raise SourceError(
            f"test:{target}: size is WIDTHxHEIGHT, as in 640x480, each from {low} to {high}, "
            f"got {text!r}"
        )
    return Size(int(match[2]), int(match[1]))
