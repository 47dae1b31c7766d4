"""Which networks can be built: plain values, readable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from edge.models.base import Anchors
from edge.models.yolov5 import ANCHORS


@dataclass(frozen=True, slots=True)
class YOLOv6:
    """A YOLOv6 of the RepVGG kind (nano, tiny, s).

    Attributes:
        layout: 1 is release 0.1.0: boxes from cell corners, sizes by exp, with objectness.
            2 is 0.2: distances to the four sides, no objectness. 3 is 0.3 and 0.4: the same
            head on a neck that fuses three levels (BiFusion), and a CSP pooling block.
        depth: Multiplies the number of blocks in a stage.
        width: Multiplies the channels.
        classes: Number of classes.
    """

    layout: Literal[1, 2, 3]
    depth: float
    width: float
    classes: int = 80

    def repeats(self, count: int) -> int:
        """Blocks in a stage that has `count` at full depth."""
        return max(round(count * self.depth), 1) if count > 1 else count

    def channels(self, count: int) -> int:
        """Channels, a multiple of 8, where there are `count` at full width."""
        return -(-int(count * self.width) // 8) * 8


@dataclass(frozen=True, slots=True)
class YOLOv7Tiny:
    """YOLOv7-tiny.

    Attributes:
        classes: Number of classes.
        anchors: Three levels of three. The default, of the published configuration file, is what
            trainings here begin with; the released weights have others.
        activation: "leaky" (slope 0.1) as published, or "silu", which upstream trains too.
    """

    classes: int = 80
    anchors: Anchors = ANCHORS
    activation: Literal["leaky", "silu"] = "leaky"


Config: TypeAlias = YOLOv6 | YOLOv7Tiny

STRIDES = (8, 16, 32)  # of every network here


def family(config: Config) -> str:
    """Key into `edge.models.FAMILIES`."""
    return "yolov6" if isinstance(config, YOLOv6) else "yolov7-tiny"


# To add a size of YOLOv6: a row of name, depth and width. "t" is the tiny of Li et al. 2022,
# arXiv:2209.02976 (9.7 M parameters), "tiny" that of the first releases' tables (15.0 M).
_SIZES = (("n", 0.33, 0.25), ("t", 0.33, 0.375), ("tiny", 0.25, 0.5), ("s", 0.33, 0.5))
_LAYOUTS: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)

NETS: Mapping[str, Config] = MappingProxyType(
    {
        f"yolov6{size}-v{layout}": YOLOv6(layout, depth, width)
        for size, depth, width in _SIZES
        for layout in _LAYOUTS
    }
    | {"yolov7-tiny": YOLOv7Tiny()}
)
