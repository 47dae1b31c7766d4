"""What the networks are made of.

Attribute names are those of the official checkpoints, so that their tensors load by name. Every
block has a training form and, with `deployed`, a form of plain convolutions for the tensors that
`fold` gives.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from calibration.nets.fold import EPS


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """The batch normalization of all these families."""
    return nn.BatchNorm2d(channels, eps=EPS, momentum=0.03)


class ConvBN(nn.Module):
    """Convolution, batch normalization, activation; the size is kept but for the stride."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        activation: nn.Module | None = None,
        deployed: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=deployed)
        self.bn = nn.Identity() if deployed else batch_norm(outputs)
        self.act = activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        return self.act(self.bn(self.conv(x)))


class RepVGG(nn.Module):
    """ReLU of the sum of a 3x3, a 1x1 and, where shapes agree, an identity, each normalized.

    Source: Ding et al. 2021, arXiv:2101.03697.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, deployed: bool) -> None:
        super().__init__()
        self.rbr_reparam = self.rbr_identity = None
        if deployed:
            self.rbr_reparam = nn.Conv2d(inputs, outputs, 3, stride, 1)
            return
        if inputs == outputs and stride == 1:
            self.rbr_identity = batch_norm(outputs)
        self.rbr_dense = ConvBN(inputs, outputs, 3, stride)
        self.rbr_1x1 = ConvBN(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        if self.rbr_reparam is not None:
            return torch.relu(self.rbr_reparam(x))
        total = self.rbr_dense(x) + self.rbr_1x1(x)
        if self.rbr_identity is not None:
            total = total + self.rbr_identity(x)
        return torch.relu(total)


class RepBlock(nn.Module):
    """A run of `count` RepVGG blocks; the first changes the channels."""

    def __init__(self, inputs: int, outputs: int, count: int, *, deployed: bool) -> None:
        super().__init__()
        self.conv1 = RepVGG(inputs, outputs, deployed=deployed)
        rest = (RepVGG(outputs, outputs, deployed=deployed) for _ in range(count - 1))
        self.block = nn.Sequential(*rest)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        return self.block(self.conv1(x))
