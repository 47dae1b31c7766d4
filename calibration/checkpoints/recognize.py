"""Which network a set of tensors is, by their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from calibration.checkpoints.pickled import Record
from calibration.nets.config import NETS, STRIDES, Config, YOLOv6, YOLOv7Tiny
from edge.errors import UnsupportedModelError
from edge.models.base import Anchors
from edge.types import AnyArray

Shapes = Mapping[str, tuple[int, ...]]

_PREFIX = re.compile(r"^((module|_orig_mod)\.)+")  # of data-parallel and compiled models
_WRAPPED = re.compile(r"\.block\.(conv|bn)\.")  # release 0.4 wraps each ConvBN once more
_POOLING = re.compile(r"\.(cspsppf|sppf)\.")  # and the pooling block
_TRAINING = re.compile(r"detect\.(cls|reg)_preds_(ab|dist)\.")  # heads that only training uses

# What a file is when it is none of ours: a pattern in a tensor's name, or the beginning of the
# root's class, and what it tells. The first that fits is reported.
_OTHERS: tuple[tuple[str, str], ...] = (
    (r"class ultralytics\.", "an Ultralytics network (YOLOv8 or later)"),
    (r"backbone\.(lite_effiblock|conv_0)|class .*effidehead_lite", "a YOLOv6Lite"),
    (r"backbone\.ERBlock_6\.", "a YOLOv6 of four levels (n6, s6, m6, l6)"),
    (r"detect\.seg|class .*_seg", "a YOLOv6 that segments"),
    (r"backbone\.ERBlock", "a YOLOv6 without plain RepVGG blocks (m, l, RepOptimizer or MBLA)"),
    (r"model\.\d+\.(rbr_dense\.0|ia\.0)\.", "a YOLOv7 other than tiny"),
    (r"model\.\d+\.(cv3\.conv|m\.0\.cv1\.conv)\.", "a YOLOv5"),
    (r"backbone\.backbone\.|head\.obj_preds\.", "a YOLOX"),
    (r"(model\.)?head\.gfl_cls\.", "a NanoDet"),
    (r"transformer\.(encoder|decoder)\.|class_embed\.", "a DETR"),
    (r"class models\.yolo\.", "a network of the YOLOv5 or YOLOv7 kind"),
)


def canonical(name: str) -> str | None:
    """A tensor's name as `calibration.nets` has it; None for what inference does not use.

    It undoes what the releases of YOLOv6 spell differently, and the prefixes of wrappers.
    """
    name = _PREFIX.sub("", name)
    if _TRAINING.match(name):
        return None
    return _POOLING.sub(".", _WRAPPED.sub(r".\1.", name))


def recognize(shapes: Shapes, root: str = "") -> tuple[str, Config]:
    """The network that has these tensors, and its name.

    Args:
        shapes: By canonical name.
        root: Class of the module that held them, where known.

    Raises:
        UnsupportedModelError: It is none of `calibration.nets`; the message says what it is.
    """
    if _has(shapes, "backbone.stem.rbr_"):
        return _yolov6(shapes, root)
    if _is_yolov7_tiny(shapes):
        outputs = shapes["model.77.m.0.weight"][0]
        return "yolov7-tiny", YOLOv7Tiny(classes=outputs // 3 - 5)
    raise _unsupported(shapes, root)


def _yolov6(shapes: Shapes, root: str) -> tuple[str, Config]:
    layout = 3 if _has(shapes, "neck.Bifusion0.") else 1 if _has(shapes, "detect.obj_preds.") else 2
    stem = _outputs(shapes, "backbone.stem.rbr_reparam") or _outputs(
        shapes, "backbone.stem.rbr_dense.conv"
    )
    classes = _outputs(shapes, "detect.cls_preds.0")
    boxes = _outputs(shapes, "detect.reg_preds.0")
    blocks = {
        stage: 1
        + len({m[1] for name in shapes if (m := re.match(rf"{stage}\.block\.(\d+)\.", name))})
        for stage in ("backbone.ERBlock_3.1", "backbone.ERBlock_4.1", "neck.Rep_p4")
    }
    if classes and boxes == 4 and not _has(shapes, "backbone.ERBlock_6."):
        for name, row in NETS.items():
            if not isinstance(row, YOLOv6) or row.layout != layout:
                continue
            if row.channels(64) == stem and list(blocks.values()) == [
                row.repeats(count) for count in (12, 18, 12)
            ]:
                return name, YOLOv6(row.layout, row.depth, row.width, classes)
    raise _unsupported(shapes, root)


def _is_yolov7_tiny(shapes: Shapes) -> bool:
    head = shapes.get("model.77.m.0.weight", ())
    return (
        shapes.get("model.0.conv.weight") == (32, 3, 3, 3)
        and shapes.get("model.76.conv.weight") == (512, 256, 3, 3)
        and len(head) == 4
        and head[0] % 3 == 0
        and head[0] > 15
    )


def _outputs(shapes: Shapes, convolution: str) -> int:
    """Channels that a convolution gives; 0 where there is none of that name."""
    return next(iter(shapes.get(f"{convolution}.weight", ())), 0)


def _has(shapes: Shapes, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in shapes)


def _unsupported(shapes: Shapes, root: str) -> UnsupportedModelError:
    marks = [f"class {root}", *shapes]
    for pattern, what in _OTHERS:
        if any(re.match(pattern, mark) for mark in marks):
            return UnsupportedModelError(
                f"this is {what}; of checkpoints, {_supported()} can be read. Export it to ONNX "
                "with the program it was trained with, and convert that"
            )
    some = ", ".join(list(shapes)[:3]) or "none"
    return UnsupportedModelError(
        f"the tensors (first of {len(shapes)}: {some}) are of no network known here; of "
        f"checkpoints, {_supported()} can be read"
    )


def _supported() -> str:
    return "YOLOv6-n, -t and -s, and YOLOv7-tiny"


def check_activations(modules: Iterable[Record], config: Config) -> Config:
    """The network with the activation that its modules show; the tensors do not tell.

    Args:
        modules: All in the file; none where it holds tensors only.
        config: As recognized by the tensors.

    Raises:
        UnsupportedModelError: An activation that the network is not built with.
    """
    results = set()
    for module in modules:
        if module.name.startswith("torch.nn.modules.activation."):
            name = module.name.rsplit(".", 1)[1]
            slope = module.state.get("negative_slope", 0.1)
            results.add(name if slope == 0.1 else f"{name} of slope {_number(slope)}")
    if isinstance(config, YOLOv7Tiny) and results == {"SiLU"}:
        return replace(config, activation="silu")
    usual = {"LeakyReLU"} if isinstance(config, YOLOv7Tiny) else {"ReLU", "SiLU"}
    if results - usual:
        raise UnsupportedModelError(
            f"the network uses {', '.join(sorted(results))}; {', '.join(sorted(usual))} is usual"
        )
    return config


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "unknown"


def anchors_of(state: Mapping[str, AnyArray]) -> Anchors:
    """The anchors in a YOLOv7-tiny's tensors, in pixels.

    Raises:
        UnsupportedModelError: They are not three levels of three pairs of positive numbers.
    """
    if "model.77.anchor_grid" in state:
        grid = np.asarray(state["model.77.anchor_grid"], np.float64)
    else:
        cells = np.asarray(state.get("model.77.anchors", np.empty(0)), np.float64)
        grid = cells * np.reshape(STRIDES, (3, 1, 1)) if cells.shape == (3, 3, 2) else cells
    if grid.size != 18 or not (np.isfinite(grid).all() and (grid > 0).all()):
        raise UnsupportedModelError(
            f"three levels of three anchors are wanted, got {grid.size // 2} pairs: {grid.ravel()}"
        )
    return tuple(
        tuple((float(width), float(height)) for width, height in level)
        for level in grid.reshape(3, 3, 2)
    )
