"""Re-parameterisation: the tensors of a trained network as those of its deployed form.

It works on tensors by name, so that it serves a checkpoint (no torch needed) and a network
alike, and whatever part of a file was folded already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge.types import AnyArray

State: TypeAlias = Mapping[str, AnyArray]
_Float64: TypeAlias = npt.NDArray[np.float64]

_REP = re.compile(r"(.+)\.rbr_dense\.conv\.weight")
_CONV = re.compile(r"(.+)\.conv\.weight")
_ADDED = re.compile(r"(.+)\.ia\.(\d+)\.implicit")
_UNUSED = re.compile(r".+\.(num_batches_tracked|i[am]\.\d+\.implicit)")

EPS = 1e-3  # of every batch normalization in these families; a state dict does not hold it


def fold(state: State, eps: float = EPS) -> dict[str, AnyArray]:
    """The deployed form of a network's tensors: one convolution in place of each block.

    A tensor that belongs to no block stays as it is; a folded state comes back unchanged,
    less the implicit knowledge that upstream leaves behind after folding it in.

    Args:
        state: Tensors by name, in the names of `calibration.nets`.
        eps: Of the batch normalizations.

    Returns:
        New arrays, float32 where they were folded.

    Source: Ding et al. 2021, arXiv:2101.03697, section 3.3; for the implicit knowledge
    W (x + a) + b, multiplied by m: Wang et al. 2021, arXiv:2105.04206.
    """
    folded: dict[str, AnyArray] = {}
    taken: set[str] = set()
    for name in state:
        if match := _REP.fullmatch(name):
            kernel, bias = _rep_block(state, match[1], eps)
            target = f"{match[1]}.rbr_reparam"
            taken |= {key for key in state if key.startswith(f"{match[1]}.rbr_")}
        elif (match := _CONV.fullmatch(name)) and ".rbr_" not in name:
            if f"{match[1]}.bn.weight" not in state:
                continue
            kernel, bias = _normalized(state, match[1], eps)
            target = f"{match[1]}.conv"
            taken |= {key for key in state if key.startswith((f"{match[1]}.bn.", f"{target}."))}
        else:
            continue
        folded[f"{target}.weight"] = kernel.astype(np.float32)
        folded[f"{target}.bias"] = bias.astype(np.float32)
    if any(".bn." in name for name in state):  # else the implicit knowledge is in the weights
        folded |= _implicit(state)
    rest = {
        name: np.array(values)
        for name, values in state.items()
        if name not in taken and name not in folded and not _UNUSED.fullmatch(name)
    }
    return folded | rest


def _scale_and_shift(state: State, bn: str, eps: float) -> tuple[_Float64, _Float64]:
    weight, bias, mean, variance = (
        np.asarray(state[f"{bn}.{part}"], np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = weight / np.sqrt(variance + eps)
    return scale, bias - mean * scale


def _normalized(state: State, block: str, eps: float) -> tuple[_Float64, _Float64]:
    """Kernel and bias of a convolution and the batch normalization after it."""
    kernel = np.asarray(state[f"{block}.conv.weight"], np.float64)
    scale, shift = _scale_and_shift(state, f"{block}.bn", eps)
    if f"{block}.conv.bias" in state:
        shift = shift + np.asarray(state[f"{block}.conv.bias"], np.float64) * scale
    return kernel * scale[:, None, None, None], shift


def _rep_block(state: State, block: str, eps: float) -> tuple[_Float64, _Float64]:
    """Kernel and bias of the sum of a 3x3, a 1x1 and, where there is one, an identity."""
    kernel, bias = _normalized(state, f"{block}.rbr_dense", eps)
    point, shift = _normalized(state, f"{block}.rbr_1x1", eps)
    kernel[:, :, 1, 1] += point[:, :, 0, 0]
    bias = bias + shift
    if f"{block}.rbr_identity.weight" in state:
        scale, shift = _scale_and_shift(state, f"{block}.rbr_identity", eps)
        kernel[:, :, 1, 1] += np.diag(scale)
        bias = bias + shift
    return kernel, bias


def _implicit(state: State) -> dict[str, AnyArray]:
    """The head's convolutions with the implicit knowledge folded in, where there is any."""
    folded: dict[str, AnyArray] = {}
    for name in state:
        if match := _ADDED.fullmatch(name):
            head, level = match[1], match[2]
            target = f"{head}.m.{level}"
            kernel = np.asarray(state[f"{target}.weight"], np.float64)
            bias = np.asarray(state[f"{target}.bias"], np.float64)
            added = np.asarray(state[name], np.float64).ravel()
            factor = np.asarray(state[f"{head}.im.{level}.implicit"], np.float64).ravel()
            bias = factor * (bias + kernel[:, :, 0, 0] @ added)
            kernel = kernel * factor[:, None, None, None]
            folded[f"{target}.weight"] = kernel.astype(np.float32)
            folded[f"{target}.bias"] = bias.astype(np.float32)
    return folded
