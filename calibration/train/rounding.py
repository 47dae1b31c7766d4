"""Networks that compute as INT8 does, so that a training makes up for what rounding takes.

Every convolution of the deployed form reads its input, and weighs it, in codes of -127 to 127: the
symmetric grids of ncnn, the coarsest of the runtimes'. Rounding has no gradient, so that of the
identity stands in for it inside the range; the range of an input learns from what is cut off.

Source: Jacob et al. 2018, arXiv:1712.05877; Esser et al. 2020, arXiv:1902.08153.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_MOST = 127  # codes on either side of zero
_SMALLEST = 1e-12  # largest value of a tensor, and step of a channel, of nothing but zeros


class RoundedConv(nn.Conv2d):
    """A convolution of codes."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.groups,
        )
        self.load_state_dict(conv.state_dict())
        self.max_abs = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """As the convolution that it was made of, on rounded values."""
        weight = _rounded_rows(self.weight.flatten(1)).view_as(self.weight)
        return self._conv_forward(_rounded(x, self.max_abs), weight, self.bias)


class RoundedUpsample(nn.ConvTranspose2d):
    """A transposed convolution of codes whose blocks do not overlap.

    Runtimes have it as a plain one that gives all places of a block: each has steps of its own.
    """

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride)
        self.load_state_dict(conv.state_dict())
        self.max_abs = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """As the convolution that it was made of, on rounded values."""
        rows = self.weight.flatten(1).T  # of inputs, for each output and place
        weight = _rounded_rows(rows).T.reshape(self.weight.shape)
        return nn.functional.conv_transpose2d(
            _rounded(x, self.max_abs), weight, self.bias, self.stride
        )


def round_network(net: nn.Module) -> nn.Module:
    """Let every convolution of a deployed network that is trained round; changes it in place."""
    kinds = {nn.Conv2d: RoundedConv, nn.ConvTranspose2d: RoundedUpsample}
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if type(child) in kinds and child.weight.requires_grad:
                setattr(parent, name, kinds[type(child)](child))
    return net


@torch.no_grad()
def observe(net: nn.Module, images: Iterable[Tensor]) -> None:
    """Set the range of everything that is rounded to the largest value that it takes.

    Args:
        net: From `round_network`.
        images: (N, 3, H, W) each, as the network takes them; at least one.
    """
    convs = [m for m in net.modules() if isinstance(m, RoundedConv | RoundedUpsample)]
    for conv in convs:
        conv.max_abs.fill_(-torch.inf)
    hooks = [conv.register_forward_pre_hook(_look) for conv in convs]
    try:
        for x in images:
            net(x)
    finally:
        for hook in hooks:
            hook.remove()


def _look(conv: nn.Module, given: tuple[Tensor]) -> None:
    limit = given[0].abs().amax().clamp(min=_SMALLEST).log()
    conv.max_abs.copy_(torch.maximum(conv.max_abs, limit))


def _rounded(values: Tensor, max_abs: Tensor) -> Tensor:
    step = max_abs.exp() / _MOST
    zero = torch.zeros_like(step)
    return torch._fake_quantize_learnable_per_tensor_affine(
        values.contiguous(), step, zero, -_MOST, _MOST, 1.0
    )


def _rounded_rows(weight: Tensor) -> Tensor:
    """(O, N), each row with a step that reaches its largest weight."""
    steps = weight.detach().abs().amax(1).clamp(min=_SMALLEST * _MOST) / _MOST
    zeros = torch.zeros(len(steps), dtype=torch.int32, device=steps.device)
    return torch.fake_quantize_per_channel_affine(weight, steps, zeros, 0, -_MOST, _MOST)
