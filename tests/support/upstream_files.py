"""Checkpoints with the structure of the official ones: module trees under the upstream classes.

The classes are empty ones under the upstream names, made here and taken away after saving, so that
whoever reads a file finds no code for them. What is inside them, layers and buffers, is torch's.
"""

from __future__ import annotations

import re
import sys
import types
import warnings
from collections.abc import Mapping

import pytest

torch = pytest.importorskip("torch", reason="making checkpoints needs the extra train")

# Path of a module in the tree to its class; the first that matches. Paths that match none are
# what torch's own containers hold.
_YOLOV6 = (
    (r"", "yolov6.models.yolo.Model"),
    (r"backbone", "yolov6.models.efficientrep.EfficientRep"),
    (r"neck", "yolov6.models.reppan.RepBiFPANNeck"),
    (r"neck\.Bifusion\d", "yolov6.layers.common.BiFusion"),
    (r"detect", "yolov6.models.effidehead.Detect"),
    (r".*\.(upsample|upsample\d)", "yolov6.layers.common.Transpose"),
    (r".*\.cspsppf", "yolov6.layers.common.CSPSPPFModule"),
    (r".*\.ERBlock_5\.2", "yolov6.layers.common.SimCSPSPPF"),
    (r".*\.Rep_\w\d|backbone\.ERBlock_\d\.1", "yolov6.layers.common.RepBlock"),
    (r".*\.ERBlock_\d|.*\.rbr_(dense|1x1)|.*\.1\.block|.*Rep_\w\d\.block", "torch.nn.Sequential"),
    (r"backbone\.stem|.*\.0|.*\.conv1|.*\.block\.\d", "yolov6.layers.common.RepVGGBlock"),
    (r"detect\.\w+", "torch.nn.ModuleList"),
    (r"detect\.\w+\.\d\.block|.*\.block", "yolov6.layers.common.ConvModule"),
    (r".*", "yolov6.layers.common.ConvBNReLU"),
)
_YOLOV7 = (
    (r"", "models.yolo.Model"),
    (r"model", "torch.nn.Sequential"),
    (r"model\.77", "models.yolo.IDetect"),
    (r"model\.77\.(m|ia|im)", "torch.nn.ModuleList"),
    (r"model\.77\.ia\.\d", "models.common.ImplicitA"),
    (r"model\.77\.im\.\d", "models.common.ImplicitM"),
    (r".*", "models.common.Conv"),
)
_TORCH = {"torch.nn.Sequential": torch.nn.Sequential, "torch.nn.ModuleList": torch.nn.ModuleList}


class Upstream:
    """The classes of an upstream project, while the block runs."""

    def __init__(self) -> None:
        self.made: dict[str, types.ModuleType] = {}

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.made:
            del sys.modules[name]

    def of(self, name: str, base: type = torch.nn.Module) -> type:
        """The class of that dotted name."""
        module, _, attribute = name.rpartition(".")
        parts = module.split(".")
        for package in (".".join(parts[: i + 1]) for i in range(len(parts))):
            if package not in self.made:
                assert package not in sys.modules
                self.made[package] = sys.modules[package] = types.ModuleType(package)
        if not hasattr(self.made[module], attribute):
            made = type(attribute, (base,), {"__module__": module})
            setattr(self.made[module], attribute, made)
        return getattr(self.made[module], attribute)


def model(upstream: Upstream, state: Mapping[str, torch.Tensor], *, eps: float = 1e-3):
    """A module tree that has exactly these tensors, in the order given."""
    rules = _YOLOV7 if any(name.startswith("model.") for name in state) else _YOLOV6
    groups: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in state.items():
        path, _, leaf = name.rpartition(".")
        groups.setdefault(path, {})[leaf] = tensor
    root = _container("", rules, upstream)
    for path, tensors in groups.items():
        *parents, last = path.split(".")
        holder, place = root, ""
        for part in parents:
            place = f"{place}.{part}" if place else part
            if part not in holder._modules:
                holder.add_module(part, _container(place, rules, upstream))
            holder = holder._modules[part]
        leaf = _layer(tensors, last, eps)
        if leaf is not None:
            holder.add_module(last, leaf)
            continue
        if last not in holder._modules:
            holder.add_module(last, _container(path, rules, upstream))
        for name, tensor in tensors.items():
            if name.startswith("anchor"):
                holder._modules[last].register_buffer(name, tensor)
            else:
                holder._modules[last].register_parameter(
                    name, torch.nn.Parameter(tensor, requires_grad=tensor.is_floating_point())
                )
    return root


def _container(path: str, rules, upstream: Upstream):
    kind = next(name for pattern, name in rules if re.fullmatch(pattern, path))
    if kind in _TORCH:
        return _TORCH[kind]()
    made = upstream.of(kind)()
    if kind.endswith(("RepVGGBlock", "ConvBNReLU")):
        made.act = torch.nn.ReLU()
    if kind.endswith("models.common.Conv"):
        made.act = torch.nn.LeakyReLU(0.1)
    return made


def _layer(tensors: Mapping[str, torch.Tensor], name: str, eps: float):
    """torch's own layer of these tensors, or None for a container that holds some itself."""
    if "running_mean" in tensors:
        made = torch.nn.BatchNorm2d(len(tensors["weight"]), eps=eps, momentum=0.03)
    elif name == "upsample_transpose":
        made = torch.nn.ConvTranspose2d(*tensors["weight"].shape[:2], 2, 2)
    elif "weight" in tensors:
        outputs, inputs, kernel, _ = tensors["weight"].shape
        made = torch.nn.Conv2d(inputs, outputs, kernel, bias="bias" in tensors)
    else:
        return None
    made.load_state_dict(dict(tensors))
    return made


def save(content, path, *, legacy: bool = False):
    """Write by torch.save; the older form says what it could not find of the classes' source."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def random_state(shapes: Mapping[str, tuple[int, ...]], seed: int = 0):
    """Tensors of these names and shapes, with variances above zero."""
    random = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        else:
            state[name] = torch.empty(shape).uniform_(0.1, 1, generator=random)
    return state


def as_release_04(name: str) -> str:
    """A tensor's name as release 0.4 of YOLOv6 spells it."""
    name = name.replace("ERBlock_5.2.cv", "ERBlock_5.2.cspsppf.cv")
    if ".rbr_" in name:
        return name
    return re.sub(r"\.(conv|bn)\.(?=weight|bias|running|num)", r".block.\1.", name)
