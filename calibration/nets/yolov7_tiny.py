"""YOLOv7-tiny: a list of layers, each naming where its input comes from.

Source: Wang et al. 2022, arXiv:2207.02696; implicit knowledge: Wang et al. 2021,
arXiv:2105.04206.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from calibration.nets.blocks import ConvBN
from calibration.nets.config import STRIDES, YOLOv7Tiny


class Row(NamedTuple):
    """One layer.

    Attributes:
        kind: "conv", "pool" (same size), "halve", "double" or "join".
        sources: Layers whose outputs it takes; negative counts back from this one.
        channels: Of a convolution's output.
        kernel: Of a convolution or a pool.
        stride: Of a convolution.
    """

    kind: str
    sources: tuple[int, ...] = (-1,)
    channels: int = 0
    kernel: int = 1
    stride: int = 1


def _conv(channels: int, kernel: int = 1, stride: int = 1, *, source: int = -1) -> Row:
    return Row("conv", (source,), channels, kernel, stride)


def _join(*sources: int) -> Row:
    return Row("join", sources)


def _elan(hidden: int, channels: int) -> tuple[Row, ...]:
    """Two 1x1 of the input, two 3x3 in a row after the second, all four joined."""
    return (
        _conv(hidden),
        _conv(hidden, source=-2),
        _conv(hidden, 3),
        _conv(hidden, 3),
        _join(-1, -2, -3, -4),
        _conv(channels),
    )


_HALVE = Row("halve")
_DOUBLE = Row("double")

ROWS: tuple[Row, ...] = (
    _conv(32, 3, 2),
    _conv(64, 3, 2),
    *_elan(32, 64),
    _HALVE,
    *_elan(64, 128),  # 14: stride 8
    _HALVE,
    *_elan(128, 256),  # 21: stride 16
    _HALVE,
    *_elan(256, 512),  # 28: stride 32
    _conv(256),
    _conv(256, source=-2),
    Row("pool", (-1,), kernel=5),
    Row("pool", (-2,), kernel=9),
    Row("pool", (-3,), kernel=13),
    _join(-1, -2, -3, -4),
    _conv(256),
    _join(-1, 29),
    _conv(256),  # 37
    _conv(128),
    _DOUBLE,
    _conv(128, source=21),
    _join(-1, -2),
    *_elan(64, 128),  # 47
    _conv(64),
    _DOUBLE,
    _conv(64, source=14),
    _join(-1, -2),
    *_elan(32, 64),  # 57
    _conv(128, 3, 2),
    _join(-1, 47),
    *_elan(64, 128),  # 65
    _conv(256, 3, 2),
    _join(-1, 37),
    *_elan(128, 256),  # 73
    _conv(128, 3, source=57),
    _conv(256, 3, source=65),
    _conv(512, 3, source=73),
)
FEATURES = (74, 75, 76)  # strides 8, 16, 32


class Join(nn.Module):
    """Concatenates along the channels."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """(B, C1, H, W), (B, C2, H, W), … to (B, C1 + C2 + …, H, W)."""
        return torch.cat(inputs, 1)


class Implicit(nn.Module):
    """A learned constant per channel."""

    def __init__(self, channels: int, mean: float) -> None:
        super().__init__()
        self.implicit = nn.Parameter(torch.empty(1, channels, 1, 1).normal_(mean, 0.02))


class AnchorHead(nn.Module):
    """A 1x1 convolution per level: each anchor's box, objectness and classes, as logits."""

    def __init__(self, config: YOLOv7Tiny, widths: list[int], *, deployed: bool) -> None:
        super().__init__()
        pixels = torch.tensor(config.anchors, dtype=torch.float32)
        levels, anchors, _ = pixels.shape
        if levels != len(widths):
            raise ValueError(f"anchors of {len(widths)} levels are wanted, got {levels}")
        self.per_anchor = 5 + config.classes
        channels = anchors * self.per_anchor
        self.m = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.ia = self.im = None
        if not deployed:
            self.ia = nn.ModuleList(Implicit(width, 0.0) for width in widths)
            self.im = nn.ModuleList(Implicit(channels, 1.0) for _ in widths)
        strides = torch.tensor(STRIDES).view(levels, 1, 1)
        self.register_buffer("anchors", pixels / strides)
        self.register_buffer("anchor_grid", pixels.view(levels, 1, anchors, 1, 1, 2).clone())

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Features to (B, anchors, H, W, 5 + classes): tx, ty, tw, th, objectness, classes."""
        levels = []
        for i, x in enumerate(features):
            if self.ia is not None and self.im is not None:
                x = self.im[i].implicit * self.m[i](x + self.ia[i].implicit)
            else:
                x = self.m[i](x)
            batch, _, height, width = x.shape
            x = x.view(batch, -1, self.per_anchor, height, width)
            levels.append(x.permute(0, 1, 3, 4, 2).contiguous())
        return levels

    def reset(self) -> None:
        """Begin as a detector that finds little: about 8 objects in 640 x 640 pixels."""
        for conv, stride in zip(self.m, STRIDES, strict=True):
            bias = conv.bias.detach().view(-1, self.per_anchor)
            bias[:, 4] += math.log(8 / (640 / stride) ** 2)
            bias[:, 5:] += math.log(0.6 / max(self.per_anchor - 5 - 0.99, 0.01))


class YOLOv7TinyNet(nn.Module):
    """The network: an image to three levels."""

    def __init__(self, config: YOLOv7Tiny, *, deployed: bool = False) -> None:
        super().__init__()
        self.config = config
        self.deployed = deployed
        layers: list[nn.Module] = []
        widths: list[int] = []
        for i, row in enumerate(ROWS):
            inputs = [widths[_absolute(source, i)] for source in row.sources] if i else [3]
            layers.append(_layer(row, inputs[0], config, deployed=deployed))
            widths.append(row.channels or sum(inputs))
        head = AnchorHead(config, [widths[i] for i in FEATURES], deployed=deployed)
        head.reset()
        self.model = nn.ModuleList([*layers, head])

    def features(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) RGB in [0, 1], sizes a multiple of 32, to features of strides 8, 16, 32."""
        outputs: list[Tensor] = []
        for i, row in enumerate(ROWS):
            inputs = [outputs[_absolute(source, i)] for source in row.sources] if i else [x]
            outputs.append(self.model[i](*inputs))
        return [outputs[i] for i in FEATURES]

    def forward(self, x: Tensor) -> list[Tensor]:
        """The features' levels, each (B, anchors, H, W, 5 + classes) logits."""
        return self.model[-1](self.features(x))


def _absolute(source: int, position: int) -> int:
    return source if source >= 0 else position + source


def _layer(row: Row, inputs: int, config: YOLOv7Tiny, *, deployed: bool) -> nn.Module:
    if row.kind == "conv":
        act = nn.SiLU() if config.activation == "silu" else nn.LeakyReLU(0.1)
        return ConvBN(
            inputs, row.channels, row.kernel, row.stride, activation=act, deployed=deployed
        )
    if row.kind == "pool":
        return nn.MaxPool2d(row.kernel, 1, row.kernel // 2)
    if row.kind == "halve":
        return nn.MaxPool2d(2, 2)
    if row.kind == "double":
        return nn.Upsample(scale_factor=2.0, mode="nearest")
    return Join()
