"""Networks with weights that are random but busy, and their files: fixtures made when needed.

Weights straight from the initializer give a detector that sees nothing and the same everywhere;
with these, every class and box moves with the image.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from edge.types import Size

torch = pytest.importorskip("torch", reason="networks need the extra train")


@cache
def trained(name: str, seed: int = 0, classes: int = 80):
    """A network in training form and evaluation mode. Shared between tests: not to be changed."""
    from dataclasses import replace

    from calibration.nets.config import NETS
    from calibration.nets.network import network

    net = network(replace(NETS[name], classes=classes), seed=seed).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.3, 0.9, generator=random)
                module.bias.normal_(0, 0.4, generator=random)
                module.momentum = 1.0  # so that one pass below sets what it has seen
        net.train()(image(Size(192, 192), seed, count=8))
        net.eval()
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.03
        if name.startswith("yolov6"):
            for conv in net.detect.cls_preds:
                conv.weight.normal_(0, 0.3, generator=random)
                conv.bias.normal_(-3, 1, generator=random)
            for conv in net.detect.reg_preds:
                conv.weight.normal_(0, 0.1, generator=random)
            for conv in net.detect.obj_preds or ():
                conv.weight.normal_(0, 0.3, generator=random)
                conv.bias.normal_(0, 1, generator=random)
        else:
            for conv in net.model[-1].m:
                conv.weight.normal_(0, 0.05, generator=random)
                conv.bias.normal_(0, 0.5, generator=random)
            for implicit in (*net.model[-1].ia, *net.model[-1].im):
                implicit.implicit.add_(
                    torch.empty_like(implicit.implicit).normal_(0, 0.3, generator=random)
                )
    return net


def image(size: Size, seed: int = 0, count: int = 1):
    """(count, 3, H, W) float32 in [0, 1]: blurred noise, so that neighbors differ a little."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, size.height // 8, size.width // 8, generator=random)
    return torch.nn.functional.interpolate(
        coarse, (size.height, size.width), mode="bilinear", align_corners=False
    )


def write_onnx(folder: Path, name: str, form: str, size: Size, **options) -> Path:
    """An ONNX file of that network in a form of `calibration.forms`."""
    from calibration.export import export

    path = folder / f"{name}-{form}-{size}.onnx"
    export(trained(name), path, form=form, size=size, **options)
    return path
