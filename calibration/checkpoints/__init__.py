"""Checkpoints (.pt) as tensors and facts: official ones, and those of `edge train`.

Needs neither torch nor the upstream code.

Nothing in a file is executed: see `calibration.checkpoints.unpickler`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration.checkpoints import training_recipe as recipes
from calibration.checkpoints.archive import Archive, read_archive
from calibration.checkpoints.module_tree import is_name, modules, tensors
from calibration.checkpoints.pickled import Record, Tensor
from calibration.checkpoints.recognize import (
    anchors_of,
    canonical,
    check_activations,
    recognize,
)
from calibration.checkpoints.training_recipe import Recipe
from calibration.nets.config import STRIDES, Config, YOLOv7Tiny
from calibration.nets.fold import EPS, fold
from edge.errors import ModelError, UnsupportedModelError
from edge.models.base import Anchors
from edge.types import AnyArray, Size

_BINS = 17  # constants that official YOLOv6 files hold and inference does not use


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint holds of a network.

    Attributes:
        name: Key into `calibration.nets.config.NETS`.
        config: That row with the file's own classes, anchors and activation.
        state: The tensors by the names of `calibration.nets`, real numbers as float32.
        deployed: Whether they are of the deployed form. A file that is folded in part is folded
            to the end.
        labels: Class names; empty where the file has none.
        input: Size that it was trained at; None where the file does not say.
        strides: Input pixels per cell of each level.
        anchors: In pixels, for anchor-based families; else empty.
        eps: Of the batch normalizations.
        origin: Which part of the file this is: "ema", "model" or "tensors".
        refused: Calls that the file asked for and that were not done.
        notes: What else a person should know, one line each.
    """

    name: str
    config: Config
    state: Mapping[str, AnyArray]
    deployed: bool
    labels: tuple[str, ...]
    input: Size | None
    strides: tuple[int, ...]
    anchors: Anchors
    eps: float
    origin: str
    refused: tuple[str, ...]
    notes: tuple[str, ...]


def read(path: Path) -> Checkpoint:
    """Read a file of torch.save: a training checkpoint, a whole model or its state dict.

    Raises:
        ModelError: The file is no checkpoint, or is damaged.
        UnsupportedModelError: It holds a network that is not in `calibration.nets`.
        OSError: It cannot be read.
    """
    archive = read_archive(path)
    try:
        return _checkpoint(archive)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{path}: {error}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _checkpoint(archive: Archive) -> Checkpoint:
    origin, holder = _chosen(archive.contents.root)
    if isinstance(holder, Record):
        tree = [module for _, module in modules(holder)]
        result = tensors(holder)
    else:
        tree = []
        result = {
            name: value
            for name, value in holder.items()
            if is_name(name) and isinstance(value, Tensor)
        }
    ours = _trained_here(archive.contents.root)
    if ours is not None:
        result = recipes.without_ranges(result)
    named = {own: tensor for name, tensor in result.items() if (own := canonical(name)) is not None}
    root = holder.name if isinstance(holder, Record) else ""
    name, config = recognize({key: tensor.shape for key, tensor in named.items()}, root)
    config = check_activations(tree, config)
    state = {key: _float32(archive.array(tensor)) for key, tensor in named.items()}
    notes = []
    if ours is not None:
        config = ours[0]
    elif not tree:
        notes.append("the file holds tensors only: activation and classes are assumed")
    anchors: Anchors = ()
    if isinstance(config, YOLOv7Tiny):
        anchors = anchors_of(state)
        config = replace(config, anchors=anchors)
        _complete(state)
        pixels = np.array(anchors, np.float32)
        state["model.77.anchors"] = pixels / np.array(STRIDES, np.float32).reshape(3, 1, 1)
        state["model.77.anchor_grid"] = pixels.reshape(3, 1, 3, 1, 1, 2)
    elif config.layout > 1:
        state["detect.proj"] = np.arange(_BINS, dtype=np.float32)
        state["detect.proj_conv.weight"] = state["detect.proj"].reshape(1, _BINS, 1, 1)
    eps = _eps(tree)
    deployed = _folded(state)
    if deployed:
        state = fold(state, eps)
    return Checkpoint(
        name=name,
        config=config,
        state=state,
        deployed=deployed,
        labels=_labels(holder, config, notes) if ours is None else ours[2],
        input=None if ours is None else Size(ours[1].input, ours[1].input),
        strides=_strides(archive, holder),
        anchors=anchors,
        eps=eps,
        origin=origin,
        refused=tuple(dict.fromkeys(archive.contents.refused)),
        notes=tuple(notes),
    )


def _trained_here(root: Any) -> tuple[Config, Recipe, tuple[str, ...]] | None:
    """What `edge train` writes beside the tensors."""
    about = root.get("edge") if isinstance(root, Mapping) else None
    return recipes.loads(about, "the file") if isinstance(about, str) else None


def _chosen(root: Any) -> tuple[str, Record | Mapping[str, Any]]:
    """The averaged weights where the file has them, else the model; both may be bare tensors."""
    if isinstance(root, Record) and not root.items:
        return "model", _unwrapped(root)
    if not isinstance(root, Mapping):
        raise ModelError(f"a checkpoint holds a model or a dict, found {_kind(root)}")
    for key in ("ema", "model", "state_dict", "model_state_dict"):
        value = root.get(key)
        if isinstance(value, Record) and value.state:
            return key, _unwrapped(value)
        if isinstance(value, Mapping) and any(isinstance(x, Tensor) for x in value.values()):
            return key, value
    if any(isinstance(value, Tensor) for value in root.values()):
        return "tensors", root
    keys = ", ".join([key for key in root if is_name(key)][:6]) or "none"
    raise ModelError(f"the file holds neither a model nor tensors; its entries: {keys}")


def _unwrapped(model: Record) -> Record:
    """The model inside a data-parallel wrapper, or inside the object that averages weights."""
    averaged = model.state.get("ema")
    if "_modules" not in model.state and isinstance(averaged, Record):
        return averaged
    children = model.state.get("_modules")
    inner = children.get("module") if isinstance(children, Mapping) else None
    if isinstance(children, Mapping) and len(children) == 1 and isinstance(inner, Record):
        return inner
    return model


def _kind(value: Any) -> str:
    return value.name if isinstance(value, Record) else type(value).__name__


def _float32(values: AnyArray) -> AnyArray:
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def _complete(state: dict[str, AnyArray]) -> None:
    """Add the implicit knowledge that does nothing, where a head is without it."""
    for level in range(3):
        kernel = state[f"model.77.m.{level}.weight"]
        zeros = np.zeros((1, kernel.shape[1], 1, 1), np.float32)
        ones = np.ones((1, kernel.shape[0], 1, 1), np.float32)
        state.setdefault(f"model.77.ia.{level}.implicit", zeros)
        state.setdefault(f"model.77.im.{level}.implicit", ones)


def _folded(state: Mapping[str, AnyArray]) -> bool:
    return any(".rbr_reparam." in key for key in state) or not any(".bn." in key for key in state)


def _eps(tree: list[Record]) -> float:
    results = [
        module.state.get("eps", EPS)
        for module in tree
        if module.name.startswith("torch.nn.modules.batchnorm.")
    ] or [EPS]
    if not all(isinstance(eps, float) and 0 < eps < 1 for eps in results) or len(set(results)) > 1:
        raise UnsupportedModelError("the batch normalizations have no eps, or not all the same")
    return float(results[0])


def _labels(
    holder: Record | Mapping[str, Any], config: Config, notes: list[str]
) -> tuple[str, ...]:
    names = holder.state.get("names") if isinstance(holder, Record) else None
    if isinstance(names, Mapping):
        names = [names.get(i) for i in range(len(names))]
    if not isinstance(names, list | tuple) or not names:
        return ()
    if len(names) != config.classes or not all(isinstance(name, str) for name in names):
        notes.append(f"class names are ignored: {len(names)} entries for {config.classes} classes")
        return ()
    return tuple(names)


def _strides(archive: Archive, holder: Record | Mapping[str, Any]) -> tuple[int, ...]:
    value = holder.state.get("stride") if isinstance(holder, Record) else None
    if isinstance(value, Tensor):
        value = archive.array(value).ravel().tolist()
    if isinstance(value, list | tuple) and list(value) != list(STRIDES):
        numbers = [x for x in value if isinstance(x, int | float)]
        raise UnsupportedModelError(f"strides {STRIDES} are wanted, found {numbers[:8]}")
    return STRIDES
