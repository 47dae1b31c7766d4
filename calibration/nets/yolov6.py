"""YOLOv6 nano, tiny and s: EfficientRep backbone, Rep-PAN neck, decoupled head.

Source: Li et al. 2022, arXiv:2209.02976 (layouts 1 and 2) and Li et al. 2023, arXiv:2301.05586
(layout 3).
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from calibration.nets.blocks import ConvBN, RepBlock, RepVGG
from calibration.nets.config import YOLOv6

BINS = 17  # of the distance distributions that only the larger networks predict


class Level(NamedTuple):
    """What the head says of one level, as convolutions give it.

    Attributes:
        classes: (B, classes, H, W) logits.
        boxes: (B, 4, H, W): left, top, right, bottom distances in strides from the middle of
            the cell; in layout 1, x, y offsets from its corner and log width, height.
        objectness: (B, 1, H, W) logits, in layout 1 only.
    """

    classes: Tensor
    boxes: Tensor
    objectness: Tensor | None


def _conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, deployed: bool) -> ConvBN:
    return ConvBN(inputs, outputs, kernel, stride, activation=nn.ReLU(), deployed=deployed)


class Pooling(nn.Module):
    """Three 5x5 max pools in a row, concatenated with their input (layouts 1 and 2)."""

    def __init__(self, channels: int, *, deployed: bool) -> None:
        super().__init__()
        self.cv1 = _conv(channels, channels // 2, deployed=deployed)
        self.cv2 = _conv(channels * 2, channels, deployed=deployed)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return self.cv2(_pooled(self.cv1(x)))


class CrossStagePooling(nn.Module):
    """The same with convolutions around the pools and a way past them (layout 3)."""

    def __init__(self, channels: int, *, deployed: bool) -> None:
        super().__init__()
        half = channels // 2
        self.cv1 = _conv(channels, half, deployed=deployed)
        self.cv2 = _conv(channels, half, deployed=deployed)
        self.cv3 = _conv(half, half, 3, deployed=deployed)
        self.cv4 = _conv(half, half, deployed=deployed)
        self.cv5 = _conv(half * 4, half, deployed=deployed)
        self.cv6 = _conv(half, half, 3, deployed=deployed)
        self.cv7 = _conv(channels, channels, deployed=deployed)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        pooled = _pooled(self.cv4(self.cv3(self.cv1(x))))
        return self.cv7(torch.cat([self.cv2(x), self.cv6(self.cv5(pooled))], 1))


def _pooled(x: Tensor) -> Tensor:
    levels = [x]
    for _ in range(3):
        levels.append(nn.functional.max_pool2d(levels[-1], 5, 1, 2))
    return torch.cat(levels, 1)


class Upsample(nn.Module):
    """A transposed convolution that doubles the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample_transpose = nn.ConvTranspose2d(channels, channels, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 2H, 2W)."""
        return self.upsample_transpose(x)


class BiFusion(nn.Module):
    """Joins a level with the coarser one and the finer one of the backbone (layout 3)."""

    def __init__(self, same: int, finer: int, outputs: int, *, deployed: bool) -> None:
        super().__init__()
        self.upsample = Upsample(outputs)
        self.cv1 = _conv(same, outputs, deployed=deployed)
        self.cv2 = _conv(finer, outputs, deployed=deployed)
        self.downsample = _conv(outputs, outputs, 3, 2, deployed=deployed)
        self.cv3 = _conv(outputs * 3, outputs, deployed=deployed)

    def forward(self, coarser: Tensor, same: Tensor, finer: Tensor) -> Tensor:
        """(B, C, H/2, W/2), (B, S, H, W), (B, F, 2H, 2W) to (B, C, H, W)."""
        joined = [self.upsample(coarser), self.cv1(same), self.downsample(self.cv2(finer))]
        return self.cv3(torch.cat(joined, 1))


class Backbone(nn.Module):
    """EfficientRep: a stem and four stages, each halving the size."""

    def __init__(self, config: YOLOv6, *, deployed: bool) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (config.channels(64 << i) for i in range(5))
        stage = partial(_stage, config, deployed=deployed)
        pooling = CrossStagePooling if config.layout == 3 else Pooling
        self.stem = RepVGG(3, c1, 2, deployed=deployed)
        self.ERBlock_2 = stage(c1, c2, 6)
        self.ERBlock_3 = stage(c2, c3, 12)
        self.ERBlock_4 = stage(c3, c4, 18)
        self.ERBlock_5 = stage(c4, c5, 6).append(pooling(c5, deployed=deployed))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to the stages of strides 4, 8, 16 and 32."""
        s4 = self.ERBlock_2(self.stem(x))
        s8 = self.ERBlock_3(s4)
        s16 = self.ERBlock_4(s8)
        return s4, s8, s16, self.ERBlock_5(s16)


def _stage(
    config: YOLOv6, inputs: int, outputs: int, count: int, *, deployed: bool
) -> nn.Sequential:
    return nn.Sequential(
        RepVGG(inputs, outputs, 2, deployed=deployed),
        RepBlock(outputs, outputs, config.repeats(count), deployed=deployed),
    )


class Neck(nn.Module):
    """Rep-PAN: top-down, then bottom-up, over strides 8, 16 and 32."""

    def __init__(self, config: YOLOv6, *, deployed: bool) -> None:
        super().__init__()
        s4, s8, s16, s32 = (config.channels(128 << i) for i in range(4))
        p4, p3, n3, n4 = (config.channels(count) for count in (256, 128, 256, 512))
        conv = partial(_conv, deployed=deployed)
        block = partial(RepBlock, count=config.repeats(12), deployed=deployed)
        self.reduce_layer0 = conv(s32, p4)
        self.reduce_layer1 = conv(p4, p3)
        self.fuses = config.layout == 3
        if self.fuses:
            self.Bifusion0 = BiFusion(s16, s8, p4, deployed=deployed)
            self.Bifusion1 = BiFusion(s8, s4, p3, deployed=deployed)
        else:
            self.upsample0 = Upsample(p4)
            self.upsample1 = Upsample(p3)
        self.Rep_p4 = block(p4 if self.fuses else p4 + s16, p4)
        self.Rep_p3 = block(p3 if self.fuses else p3 + s8, p3)
        self.downsample2 = conv(p3, p3, 3, 2)
        self.Rep_n3 = block(p3 + p3, n3)
        self.downsample1 = conv(n3, n3, 3, 2)
        self.Rep_n4 = block(n3 + p4, n4)

    def forward(self, stages: tuple[Tensor, Tensor, Tensor, Tensor]) -> list[Tensor]:
        """The backbone's stages to features of strides 8, 16 and 32."""
        s4, s8, s16, s32 = stages
        f32 = self.reduce_layer0(s32)
        if self.fuses:
            f16 = self.reduce_layer1(self.Rep_p4(self.Bifusion0(f32, s16, s8)))
            out8 = self.Rep_p3(self.Bifusion1(f16, s8, s4))
        else:
            joined = torch.cat([self.upsample0(f32), s16], 1)
            f16 = self.reduce_layer1(self.Rep_p4(joined))
            out8 = self.Rep_p3(torch.cat([self.upsample1(f16), s8], 1))
        out16 = self.Rep_n3(torch.cat([self.downsample2(out8), f16], 1))
        out32 = self.Rep_n4(torch.cat([self.downsample1(out16), f32], 1))
        return [out8, out16, out32]


class Head(nn.Module):
    """Classes and boxes from separate branches of each level."""

    def __init__(self, config: YOLOv6, *, deployed: bool) -> None:
        super().__init__()
        widths = [config.channels(count) for count in (128, 256, 512)]

        def convs(kernel: int) -> nn.ModuleList:
            return nn.ModuleList(
                ConvBN(width, width, kernel, activation=nn.SiLU(), deployed=deployed)
                for width in widths
            )

        def predictions(channels: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)

        self.stems, self.cls_convs, self.reg_convs = convs(1), convs(3), convs(3)
        self.cls_preds, self.reg_preds = predictions(config.classes), predictions(4)
        self.obj_preds = predictions(1) if config.layout == 1 else None
        if config.layout > 1:
            # Bin numbers, unused without distance distributions: official files hold them.
            self.proj = nn.Parameter(torch.arange(float(BINS)), requires_grad=False)
            self.proj_conv = nn.Conv2d(BINS, 1, 1, bias=False).requires_grad_(False)
            self.proj_conv.weight.copy_(self.proj.view(1, BINS, 1, 1))

    def forward(self, features: list[Tensor]) -> list[Level]:
        """Features of strides 8, 16 and 32 to their levels."""
        levels = []
        for i, feature in enumerate(features):
            x = self.stems[i](feature)
            boxes = self.reg_convs[i](x)
            objectness = None if self.obj_preds is None else self.obj_preds[i](boxes)
            classes = self.cls_preds[i](self.cls_convs[i](x))
            levels.append(Level(classes, self.reg_preds[i](boxes), objectness))
        return levels

    def reset(self) -> None:
        """Begin as a detector that finds little: each class with a probability of 1 %.

        Source: Lin et al. 2017, arXiv:1708.02002, section 4.1.
        """
        prior = -math.log((1 - 0.01) / 0.01)
        for predictions in (self.cls_preds, self.obj_preds or ()):
            for conv in predictions:
                nn.init.normal_(conv.weight, std=0.01)
                nn.init.constant_(conv.bias, prior)
        for conv in self.reg_preds:
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.constant_(conv.bias, 0.0 if self.obj_preds is not None else 1.0)


class YOLOv6Net(nn.Module):
    """The network: an image to three levels."""

    def __init__(self, config: YOLOv6, *, deployed: bool = False) -> None:
        super().__init__()
        self.config = config
        self.deployed = deployed
        self.backbone = Backbone(config, deployed=deployed)
        self.neck = Neck(config, deployed=deployed)
        self.detect = Head(config, deployed=deployed)
        self.detect.reset()

    def features(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) RGB in [0, 1], sizes a multiple of 32, to features of strides 8, 16, 32."""
        return self.neck(self.backbone(x))

    def forward(self, x: Tensor) -> list[Level]:
        """(B, 3, H, W) RGB in [0, 1], sizes a multiple of 32, to levels of strides 8, 16, 32."""
        return self.detect(self.features(x))
