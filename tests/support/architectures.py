"""Small networks of the architectures that detectors are built from, written from their papers.

Random weights, an image of 32x32 in, one tensor out: what matters is which operators each
architecture needs of a runtime, and whether the runtime computes them rightly.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

import pytest

torch = pytest.importorskip("torch", reason="architectures need the extra train")
nn, F = torch.nn, torch.nn.functional

SIZE = 32


class ConvBnAct(nn.Sequential):
    def __init__(self, inputs, outputs, kernel=3, stride=1, act=nn.SiLU, groups=1):
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            act(),
        )


class RepVgg(nn.Module):
    """Three branches that training keeps apart. Source: Ding et al. 2021, arXiv:2101.03697."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.dense = ConvBnAct(inputs, outputs, 3, stride, nn.Identity)
        self.point = ConvBnAct(inputs, outputs, 1, stride, nn.Identity)
        self.same = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None

    def forward(self, x):
        y = self.dense(x) + self.point(x)
        return F.relu(y if self.same is None else y + self.same(x))


class EfficientRep(nn.Sequential):
    """Source: Li et al. 2022, arXiv:2209.02976, section 2.1."""

    def __init__(self):
        super().__init__(RepVgg(3, 8, 2), RepVgg(8, 8), RepVgg(8, 16, 2), RepVgg(16, 16))


class Elan(nn.Module):
    """Source: Wang et al. 2022, arXiv:2207.02696, section 3.1."""

    def __init__(self, inputs, width, outputs, groups=1):
        super().__init__()
        self.first = ConvBnAct(inputs, width, 1)
        self.second = ConvBnAct(inputs, width, 1)
        self.deep = nn.ModuleList(ConvBnAct(width, width, groups=groups) for _ in range(4))
        self.last = ConvBnAct(4 * width, outputs, 1)

    def forward(self, x):
        results = [self.first(x), self.second(x)]
        y = results[-1]
        for index, layer in enumerate(self.deep):
            y = layer(y)
            if index % 2:
                results.append(y)
        return self.last(torch.cat(results, 1))


class ElanNet(nn.Sequential):
    def __init__(self):
        super().__init__(ConvBnAct(3, 8, 3, 2), Elan(8, 8, 16), nn.MaxPool2d(2), Elan(16, 8, 16))


class EElan(nn.Module):
    """Expand by group convolution, shuffle, merge by a sum. Source: as of ELAN, figure 2 d."""

    def __init__(self):
        super().__init__()
        self.stem = ConvBnAct(3, 16, 3, 2)
        self.expand = ConvBnAct(16, 32, 1, groups=2)
        self.block = Elan(32, 16, 32, groups=2)

    def forward(self, x):
        y = self.block(self.expand(self.stem(x)))
        count, channels, height, width = y.shape
        y = y.view(count, 2, channels // 2, height, width).transpose(1, 2).flatten(1, 2)
        one, other = y.chunk(2, 1)
        return one + other


class ConvNeXt(nn.Module):
    """Source: Liu et al. 2022, arXiv:2201.03545, figure 4."""

    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.spread = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.spread(x).permute(0, 2, 3, 1))
        y = self.scale * self.down(F.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2."""

    def __init__(self, width, heads=2):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, memory=None):
        memory = x if memory is None else memory
        q, k, v = (
            self._split(self.query(x)),
            self._split(self.key(memory)),
            self._split(self.value(memory)),
        )
        weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1)
        y = (weights @ v).transpose(1, 2)
        return self.out(y.reshape(*y.shape[:2], -1))

    def _split(self, x):
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Mlp(nn.Sequential):
    def __init__(self, width, outputs=None):
        super().__init__(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, outputs or width)
        )


class Block(nn.Module):
    """A transformer's block, normalized first."""

    def __init__(self, width):
        super().__init__()
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.mlp = Attention(width), Mlp(width)

    def forward(self, x):
        x = x + self.attend(self.one(x))
        return x + self.mlp(self.two(x))


class ViTDet(nn.Module):
    """Attention in windows, then over all. Source: Li et al. 2022, arXiv:2203.16527, section 3."""

    def __init__(self, width=16, side=8, window=4):
        super().__init__()
        self.patches = nn.Conv2d(3, width, SIZE // side, SIZE // side)
        self.place = nn.Parameter(torch.randn(1, side, side, width) * 0.2)
        self.windowed, self.everywhere = Block(width), Block(width)
        self.side, self.window, self.width = side, window, width

    def forward(self, x):
        x = self.patches(x).permute(0, 2, 3, 1) + self.place
        n, w = self.side // self.window, self.window
        x = x.view(n, w, n, w, self.width).permute(0, 2, 1, 3, 4).reshape(n * n, w * w, self.width)
        x = self.windowed(x)
        x = x.view(n, n, w, w, self.width).permute(0, 2, 1, 3, 4)
        x = self.everywhere(x.reshape(1, self.side**2, self.width))
        return x.transpose(1, 2).reshape(1, self.width, self.side, self.side)


class Yolos(nn.Module):
    """Detection tokens beside the patches. Source: Fang et al. 2021, arXiv:2106.00666."""

    def __init__(self, width=16, side=4, tokens=5, classes=3):
        super().__init__()
        self.patches = nn.Conv2d(3, width, SIZE // side, SIZE // side)
        self.tokens = nn.Parameter(torch.randn(1, tokens, width) * 0.5)
        self.place = nn.Parameter(torch.randn(1, tokens + side**2, width) * 0.2)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm, self.head = nn.LayerNorm(width), Mlp(width, classes + 1 + 4)
        self.count = tokens

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.norm(self.blocks(torch.cat([self.tokens, x], 1) + self.place))
        return self.head(x[:, : self.count])


class Detr(nn.Module):
    """Encoder, decoder, learned queries. Source: Carion et al. 2020, arXiv:2005.12872."""

    def __init__(self, width=16, queries=6, classes=3):
        super().__init__()
        self.backbone = nn.Sequential(ConvBnAct(3, 8, 3, 4), nn.Conv2d(8, width, 3, 2, 1))
        self.place = nn.Parameter(torch.randn(1, 16, width) * 0.3)
        self.queries = nn.Parameter(torch.randn(1, queries, width))
        self.encoder = Block(width)
        self.own, self.cross, self.mlp = Attention(width), Attention(width), Mlp(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.classes, self.boxes = nn.Linear(width, classes + 1), Mlp(width, 4)

    def forward(self, x):
        memory = self.encoder(self.backbone(x).flatten(2).transpose(1, 2) + self.place)
        y = self.norms[0](self.queries + self.own(self.queries))
        y = self.norms[1](y + self.cross(y, memory))
        y = self.norms[2](y + self.mlp(y))
        return torch.cat([torch.softmax(self.classes(y), -1), torch.sigmoid(self.boxes(y))], -1)


class AcMix(nn.Module):
    """Attention in a neighborhood and a convolution, of the same three projections.

    Source: Pan et al. 2022, arXiv:2111.14556, section 3.2.
    """

    def __init__(self, width=8, heads=2, max_abs=3):
        super().__init__()
        self.stem = ConvBnAct(3, width, 3, 2)
        self.query, self.key, self.value = (nn.Conv2d(width, width, 1) for _ in range(3))
        self.mix = nn.Conv2d(3 * heads, max_abs**2, 1, bias=False)
        self.shift = nn.Conv2d(
            max_abs**2 * width // heads, width, 3, padding=1, groups=width // heads
        )
        self.alpha, self.beta = (nn.Parameter(torch.tensor(v)) for v in (0.7, 1.3))
        self.heads, self.max_abs, self.width = heads, max_abs, width

    def forward(self, x):
        x = self.stem(x)
        q, k, v = self.query(x), self.key(x), self.value(x)
        return self.alpha * self._attend(q, k, v) + self.beta * self._convolve(q, k, v)

    def _attend(self, q, k, v):
        heads, each, side = self.heads, self.width // self.heads, q.shape[-1]
        q = q.view(heads, each, 1, side * side)
        k, v = (
            F.unfold(values, self.max_abs, padding=self.max_abs // 2).view(
                heads, each, self.max_abs**2, side * side
            )
            for values in (k, v)
        )
        weights = torch.softmax((q * k).sum(1, keepdim=True) * each**-0.5, 2)
        return (weights * v).sum(2).reshape(1, self.width, side, side)

    def _convolve(self, q, k, v):
        heads, each, side = self.heads, self.width // self.heads, q.shape[-1]
        stacked = torch.cat([y.view(1, heads, each * side, side) for y in (q, k, v)], 1)
        mixed = self.mix(stacked).view(1, self.max_abs**2, each, side, side)
        return self.shift(mixed.transpose(1, 2).reshape(1, -1, side, side))


class VisualTokens(nn.Module):
    """Tokenizer, transformer, projector. Source: Wu et al. 2020, arXiv:2006.03677, section 3."""

    def __init__(self, width=16, tokens=4):
        super().__init__()
        self.stem = ConvBnAct(3, width, 3, 4)
        self.select = nn.Linear(width, tokens)
        self.block = Block(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x):
        x = self.stem(x)
        pixels = x.flatten(2).transpose(1, 2)
        where = torch.softmax(self.select(pixels), 1)
        tokens = self.block(where.transpose(1, 2) @ pixels)
        weights = torch.softmax(self.query(pixels) @ self.key(tokens).transpose(1, 2), -1)
        pixels = pixels + weights @ self.value(tokens)
        return pixels.transpose(1, 2).reshape(x.shape)


ARCHITECTURES: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "RepVGG, EfficientRep (YOLOv6)": EfficientRep,
        "ELAN (YOLOv7)": ElanNet,
        "E-ELAN (YOLOv7)": EElan,
        "ConvNeXt": ConvNeXt,
        "ViTDet: windowed and global attention": ViTDet,
        "YOLOS: detection tokens": Yolos,
        "DETR: encoder and decoder": Detr,
        "ACmix: attention and convolution": AcMix,
        "Visual tokens: tokenizer, transformer, projector": VisualTokens,
    }
)


@cache
def content(name: str) -> bytes:
    """An architecture as an ONNX file, from "images" (1, 3, 32, 32) to "found"."""
    torch.manual_seed(0)
    net = ARCHITECTURES[name]()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):  # else the image drowns in the biases
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            net.eval(), (torch.zeros(1, 3, SIZE, SIZE),), file, input_names=["images"],
            output_names=["found"], opset_version=17, dynamo=False,
        )  # fmt: skip
    return file.getvalue()
