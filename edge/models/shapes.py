"""What the shapes of outputs say about levels and strides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.errors import ModelError
from edge.types import Size


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Outputs that are one map per level.

    Attributes:
        names: Of the outputs, finest level first.
        channels: Of every map.
    """

    names: tuple[str, ...]
    channels: int


def cells(input_size: Size, stride: int) -> Size:
    """Size of the map at a stride; a part of a cell counts as one."""
    return Size(-(-input_size.height // stride), -(-input_size.width // stride))


def points(input_size: Size, strides: Sequence[int]) -> int:
    """Number of cells over all levels."""
    maps = [cells(input_size, stride) for stride in strides]
    return sum(size.height * size.width for size in maps)


def pyramid(
    outputs: Mapping[str, tuple[int, ...]], input_size: Size, strides: Sequence[int]
) -> Pyramid | None:
    """The outputs as (channels, H, W) maps at these strides, or None when they are not."""
    expected = [cells(input_size, stride) for stride in strides]
    by_size = {shape[1:]: name for name, shape in outputs.items() if len(shape) == 3}
    names = [by_size.get((size.height, size.width)) for size in expected]
    channels = {shape[0] for shape in outputs.values()}
    if len(outputs) != len(strides) or len(channels) != 1 or None in names:
        return None
    return Pyramid(tuple(name for name in names if name is not None), channels.pop())


def expect_channels(what: str, found: int, wanted: int) -> None:
    """Check that an output has as many columns or channels as the labels call for.

    Raises:
        ModelError: It has not.
    """
    if found != wanted:
        raise ModelError(f"an output has {found} {what}; the model's labels call for {wanted}")
